-- What trusts' systems report of their staff, and who it is. Report, match and name come by three
-- topics under one key, the record, in any order and to any replica: each is kept here as it comes,
-- under the row's lock, and whoever completes the row decides.
CREATE TABLE reported_post (
    record      text        PRIMARY KEY,
    trust_id    uuid        NOT NULL,
    -- The report: `reported_id` is the event that said it last, `to_on` the last day.
    reported_id uuid,
    school_id   uuid,
    role        text,
    from_on     date,
    to_on       date,
    -- The match.
    person_id   uuid,
    -- What a new person is called, until they are introduced.
    name        text,
    email       text,
    -- What membership has made of it.
    post_id     uuid,
    outcome     text        NOT NULL DEFAULT 'waiting',
    detail      text,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    CHECK (num_nulls(reported_id, school_id, role, from_on) IN (0, 4))
);

CREATE INDEX reported_post_trust_id ON reported_post (trust_id);
CREATE INDEX reported_post_updated_at ON reported_post (updated_at);
