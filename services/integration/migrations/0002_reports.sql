-- What trusts' systems have reported. Whoever takes a trust's events locks its row in `connection`
-- first, so they are taken one after the other.

-- An event is taken once, by its source and id (CloudEvents).
CREATE TABLE taken (
    trust_id uuid NOT NULL,
    source   text NOT NULL,
    event_id text NOT NULL,
    PRIMARY KEY (trust_id, source, event_id)
);

-- What a trust calls a school.
CREATE TABLE reported_school (
    trust_id    uuid NOT NULL,
    external_id text NOT NULL,
    school_id   uuid NOT NULL,
    PRIMARY KEY (trust_id, external_id)
);

-- A member of staff in a post, as reported last. `to_on` is the last day. What names a person is
-- NULL once it is erased; the rest stays, so that nothing is taken for the record again.
CREATE TABLE staff (
    trust_id    uuid    NOT NULL,
    external_id text    NOT NULL,
    school_id   uuid    NOT NULL,
    role_code   text    NOT NULL,
    role_title  text,
    from_on     date    NOT NULL,
    to_on       date    CHECK (to_on >= from_on),
    name        text,
    email       text,
    erased      boolean NOT NULL DEFAULT false,
    PRIMARY KEY (trust_id, external_id),
    CHECK (erased = (name IS NULL)),
    CHECK (NOT erased OR (email IS NULL AND role_title IS NULL))
);
