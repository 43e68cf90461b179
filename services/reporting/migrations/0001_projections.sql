-- What the events say, as rows that each belong to the key of the events that write them. Nothing
-- here is worked out across keys: figures are, when they are read.

-- membership, key: the network. `closed_on` is the last day.
CREATE TABLE network (
    network_id     uuid PRIMARY KEY,
    name           text NOT NULL,
    region         text NOT NULL,
    established_on date NOT NULL,
    closed_on      date
);

CREATE INDEX network_by_region ON network (region);

-- membership, key: the school, here and in the next two.
CREATE TABLE school (
    school_id uuid PRIMARY KEY,
    name      text NOT NULL
);

-- `network_id` is the one that was joined; `ended_on` is the last day of a membership that was
-- completed or left, `ends_on` the last day as it was agreed.
CREATE TABLE membership (
    membership_id uuid    PRIMARY KEY,
    school_id     uuid    NOT NULL,
    network_id    uuid    NOT NULL,
    pathway       text    NOT NULL,
    joined_on     date    NOT NULL,
    ends_on       date    NOT NULL,
    ended_on      date,
    framework     text    NOT NULL,
    judgement     text,
    void          boolean NOT NULL DEFAULT false
);

CREATE INDEX membership_by_school ON membership (school_id);
CREATE INDEX membership_by_network ON membership (network_id);
CREATE INDEX membership_by_joining ON membership (joined_on);

-- `moved_on` is the first day in the new network; `number` orders moves of one date.
CREATE TABLE membership_move (
    membership_id uuid   NOT NULL,
    number        bigint NOT NULL,
    school_id     uuid   NOT NULL,
    network_id    uuid   NOT NULL,
    moved_on      date   NOT NULL,
    PRIMARY KEY (membership_id, number)
);

CREATE INDEX membership_move_by_school ON membership_move (school_id);

-- membership, key: the group. `left_on` is the first day outside it.
CREATE TABLE group_school (
    group_id  uuid NOT NULL,
    school_id uuid NOT NULL,
    joined_on date NOT NULL,
    left_on   date,
    PRIMARY KEY (group_id, school_id, joined_on)
);

CREATE INDEX group_school_by_school ON group_school (school_id);

-- membership, key: the person that stays, `person_id`.
CREATE TABLE person_merge (
    person_id        uuid NOT NULL,
    merged_person_id uuid NOT NULL,
    PRIMARY KEY (merged_person_id, person_id)
);

-- scheduling, key: the day, here and in the next three.
CREATE TABLE network_day (
    day_id      uuid   PRIMARY KEY,
    network_ids uuid[] NOT NULL,
    date        date   NOT NULL,
    status      text   NOT NULL -- scheduled, held, cancelled
);

CREATE INDEX network_day_by_date ON network_day (date);

-- Only days that stand as held have a register.
CREATE TABLE register_entry (
    day_id     uuid NOT NULL,
    place_id   uuid NOT NULL,
    person_id  uuid NOT NULL,
    school_id  uuid NOT NULL,
    role       text NOT NULL,
    attendance text NOT NULL,
    PRIMARY KEY (day_id, place_id)
);

CREATE INDEX register_entry_by_school ON register_entry (school_id);

CREATE TABLE development_day (
    day_id     uuid PRIMARY KEY,
    school_id  uuid NOT NULL,
    network_id uuid NOT NULL,
    date       date NOT NULL,
    status     text NOT NULL -- planned, delivered, cancelled
);

CREATE INDEX development_day_by_date ON development_day (date);
CREATE INDEX development_day_by_school ON development_day (school_id);

-- Only days that stand as delivered have participants.
CREATE TABLE participant (
    day_id    uuid NOT NULL,
    person_id uuid NOT NULL,
    role      text NOT NULL,
    PRIMARY KEY (day_id, person_id)
);

-- cpd, key: the person.
CREATE TABLE credit (
    credit_id uuid    PRIMARY KEY,
    person_id uuid    NOT NULL,
    hours     numeric NOT NULL,
    strand    text    NOT NULL,
    source    text    NOT NULL,
    source_id uuid    NOT NULL,
    school_id uuid,
    earned_on date    NOT NULL,
    revoked   boolean NOT NULL
);

CREATE INDEX credit_by_date ON credit (earned_on) WHERE NOT revoked;
CREATE INDEX credit_by_school ON credit (school_id) WHERE NOT revoked;
