-- Who is in the programme. Every listed table has updated_at for `updated_since`.

CREATE TABLE network (
    network_id     uuid PRIMARY KEY,
    name           text NOT NULL,
    region         text NOT NULL,
    established_on date NOT NULL,
    closed_on      date CHECK (closed_on >= established_on),
    updated_at     timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX network_updated_at ON network (updated_at);

-- `closed_on` is the last day; a school that closed without a date in the register closed on the
-- day of the import.
CREATE TABLE school (
    school_id            uuid PRIMARY KEY,
    urn                  integer NOT NULL,
    name                 text NOT NULL,
    la_code              text,
    la_name              text,
    establishment_number text,
    establishment_type   text,
    phase                text,
    region               text,
    town                 text,
    postcode             text,
    pupils               integer CHECK (pupils >= 0),
    closed_on            date,
    updated_at           timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX school_updated_at ON school (updated_at);
CREATE INDEX school_la_code ON school (la_code);

-- Of the schools that are open only: whoever succeeds a closed one often takes over its number.
CREATE UNIQUE INDEX school_laestab ON school (la_code, establishment_number)
 WHERE closed_on IS NULL;

-- All URNs that a school has had; the current one is the latest and stands in school.urn, too.
-- The primary key is what makes "a URN names one school" true. No foreign key: a URN is written in
-- the transaction that writes its school, no school is ever deleted, and the check of each row took
-- a sixth of the time of an import.
CREATE TABLE school_urn (
    urn        integer PRIMARY KEY CHECK (urn BETWEEN 100000 AND 999999),
    school_id  uuid NOT NULL,
    valid_from date
);

CREATE INDEX school_urn_school_id ON school_urn (school_id);

CREATE TABLE inspection (
    school_id    uuid NOT NULL REFERENCES school,
    inspected_on date NOT NULL,
    framework    text NOT NULL,
    judgement    text NOT NULL,
    PRIMARY KEY (school_id, inspected_on, framework)
);

-- "group" is a word of SQL.
CREATE TABLE school_group (
    group_id      uuid PRIMARY KEY,
    name          text NOT NULL,
    kind          text NOT NULL,
    register_code text,
    updated_at    timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX school_group_updated_at ON school_group (updated_at);
CREATE UNIQUE INDEX school_group_register_code ON school_group (kind, register_code);

-- `left_on` is the first day outside the group.
CREATE TABLE group_stay (
    group_id  uuid NOT NULL REFERENCES school_group,
    school_id uuid NOT NULL REFERENCES school,
    joined_on date NOT NULL,
    left_on   date CHECK (left_on >= joined_on),
    PRIMARY KEY (group_id, school_id, joined_on)
);

CREATE INDEX group_stay_school_id ON group_stay (school_id);
CREATE UNIQUE INDEX group_stay_once ON group_stay (group_id, school_id) WHERE left_on IS NULL;

CREATE TABLE membership (
    membership_id     uuid PRIMARY KEY,
    school_id         uuid NOT NULL REFERENCES school,
    network_id        uuid NOT NULL REFERENCES network,
    joined_network_id uuid NOT NULL REFERENCES network,
    pathway           text NOT NULL,
    status            text NOT NULL,
    joined_on         date NOT NULL,
    ends_on           date NOT NULL CHECK (ends_on >= joined_on),
    framework         text NOT NULL,
    judgement         text,
    inspected_on      date,
    group_id          uuid REFERENCES school_group,
    first_change_on   date,
    last_change_on    date,
    moved             boolean NOT NULL DEFAULT false,
    ended_on          date,
    void              boolean NOT NULL DEFAULT false,
    updated_at        timestamptz NOT NULL DEFAULT now(),
    CHECK ((ended_on IS NULL) = (status IN ('active', 'paused'))),
    CHECK (void OR ended_on >= joined_on)
);

CREATE INDEX membership_updated_at ON membership (updated_at);
CREATE INDEX membership_school_id ON membership (school_id);
CREATE INDEX membership_network_id ON membership (network_id);

-- A school joins once at a time, whoever else has it join at this moment.
CREATE UNIQUE INDEX membership_once ON membership (school_id) WHERE ended_on IS NULL;

-- A person's facts are theirs for ever; what they are called is apart, so that it can be erased.
CREATE TABLE person (
    person_id   uuid PRIMARY KEY,
    merged_into uuid REFERENCES person,
    erased      boolean NOT NULL DEFAULT false,
    updated_at  timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX person_updated_at ON person (updated_at);
CREATE INDEX person_merged_into ON person (merged_into) WHERE merged_into IS NOT NULL;

CREATE TABLE profile (
    person_id uuid PRIMARY KEY REFERENCES person,
    name      text NOT NULL,
    email     text
);

-- `person_id` is the record that the post was made under, also after a merge: it is the key of the
-- post's events. `left_on` is the last day.
CREATE TABLE post (
    post_id      uuid PRIMARY KEY,
    person_id    uuid NOT NULL REFERENCES person,
    school_id    uuid NOT NULL REFERENCES school,
    role         text NOT NULL,
    appointed_on date NOT NULL,
    left_on      date CHECK (left_on >= appointed_on)
);

CREATE INDEX post_person_id ON post (person_id);
CREATE INDEX post_school_id ON post (school_id);
CREATE UNIQUE INDEX post_once ON post (person_id, school_id, role) WHERE left_on IS NULL;

-- `unassigned_on` is the first day on which the adviser is no longer the network's.
CREATE TABLE adviser (
    network_id    uuid NOT NULL REFERENCES network,
    person_id     uuid NOT NULL REFERENCES person,
    assigned_on   date NOT NULL,
    unassigned_on date CHECK (unassigned_on >= assigned_on),
    PRIMARY KEY (network_id, person_id, assigned_on)
);

CREATE INDEX adviser_person_id ON adviser (person_id);
CREATE UNIQUE INDEX adviser_once ON adviser (network_id, person_id) WHERE unassigned_on IS NULL;
