-- The days that scheduling decides about. Whoever updates a listed row sets `updated_at = now()`.

CREATE TABLE network_day (
    day_id      uuid          PRIMARY KEY,
    title       text          NOT NULL,
    network_ids uuid[]        NOT NULL CHECK (cardinality(network_ids) > 0),
    date        date          NOT NULL,
    venue       text          NOT NULL,
    places      integer       NOT NULL CHECK (places > 0),
    strand      text          NOT NULL,
    hours       numeric(4, 2) NOT NULL CHECK (hours > 0),
    status      text          NOT NULL CHECK (status IN ('scheduled', 'held', 'cancelled')),
    reason      text,
    updated_at  timestamptz   NOT NULL DEFAULT now()
);

CREATE INDEX network_day_by_network ON network_day USING gin (network_ids);
CREATE INDEX network_day_by_date ON network_day (date);
CREATE INDEX network_day_by_update ON network_day (updated_at);

-- Applications for a day, in the order of `number`, which the lock on the day's row keeps.
CREATE TABLE place (
    place_id   uuid    PRIMARY KEY,
    day_id     uuid    NOT NULL REFERENCES network_day,
    person_id  uuid    NOT NULL,
    school_id  uuid    NOT NULL,
    role       text    NOT NULL,
    status     text    NOT NULL CHECK (status IN ('booked', 'waiting', 'released')),
    number     integer NOT NULL CHECK (number > 0),
    attendance text,
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (day_id, number)
);

-- A person has one place on a day; after a release another may be booked.
CREATE UNIQUE INDEX place_once_a_person ON place (day_id, person_id) WHERE status <> 'released';
CREATE INDEX place_by_school ON place (school_id);
CREATE INDEX place_by_person ON place (person_id);

-- The trail of a register: what an entry said, what it says, who changed it and when.
CREATE TABLE attendance_correction (
    correction_id bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    day_id        uuid        NOT NULL REFERENCES network_day,
    place_id      uuid        NOT NULL REFERENCES place,
    was           text        NOT NULL,
    attendance    text        NOT NULL,
    corrected_by  text        NOT NULL,
    corrected_at  timestamptz NOT NULL
);

CREATE INDEX attendance_correction_by_place ON attendance_correction (place_id);

CREATE TABLE development_day (
    day_id     uuid          PRIMARY KEY,
    school_id  uuid          NOT NULL,
    network_id uuid          NOT NULL,
    adviser_id uuid          NOT NULL,
    date       date          NOT NULL,
    strand     text          NOT NULL,
    follows_up uuid          REFERENCES network_day,
    status     text          NOT NULL CHECK (status IN ('planned', 'delivered', 'cancelled')),
    hours      numeric(4, 2) CHECK (hours > 0),
    reason     text,
    updated_at timestamptz   NOT NULL DEFAULT now(),
    CHECK ((status = 'delivered') = (hours IS NOT NULL))
);

-- An adviser is never in two places on one date.
CREATE UNIQUE INDEX development_day_one_place_a_date
    ON development_day (adviser_id, date) WHERE status <> 'cancelled';
CREATE INDEX development_day_by_school ON development_day (school_id, date);
CREATE INDEX development_day_by_network ON development_day (network_id, date);
CREATE INDEX development_day_by_date ON development_day (date);
CREATE INDEX development_day_by_update ON development_day (updated_at);

CREATE TABLE development_day_participant (
    day_id    uuid    NOT NULL REFERENCES development_day,
    person_id uuid    NOT NULL,
    role      text    NOT NULL,
    number    integer NOT NULL,
    PRIMARY KEY (day_id, person_id)
);

CREATE INDEX development_day_participant_by_person ON development_day_participant (person_id);
