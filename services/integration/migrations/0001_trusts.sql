-- What membership's events say of trusts and their schools. Each row belongs to the key of the
-- events that write it; what spans keys is joined when it is read.

-- Key: the group, here and in the next table. Only groups of the kind trust.
CREATE TABLE trust (
    trust_id uuid PRIMARY KEY,
    name     text NOT NULL
);

-- Of every kind of group. `left_on` is the first day outside it.
CREATE TABLE group_school (
    group_id  uuid NOT NULL,
    school_id uuid NOT NULL,
    joined_on date NOT NULL,
    left_on   date,
    PRIMARY KEY (group_id, school_id, joined_on)
);

-- Key: the school. All URNs that it has had; a URN names one school for ever. `valid_from` is NULL
-- for the first.
CREATE TABLE school_urn (
    school_id  uuid    NOT NULL,
    urn        integer NOT NULL,
    valid_from date,
    PRIMARY KEY (school_id, urn)
);

CREATE INDEX school_urn_by_urn ON school_urn (urn);

-- The URN that names a school on a date.
CREATE FUNCTION urn_on(school uuid, day date) RETURNS integer
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT urn
      FROM school_urn
     WHERE school_id = school
       AND (valid_from IS NULL OR valid_from <= day)
     ORDER BY valid_from DESC NULLS LAST
     LIMIT 1
$$;

-- Our own: a trust whose systems are, or were, connected. Its row is locked by whoever changes its
-- credentials.
CREATE TABLE connection (
    trust_id uuid PRIMARY KEY
);

-- A secret is 256 random bits, so one SHA-256 of it is as good as a slow hash, and quick to check
-- with each request. Rows stay, as the trail of what was accepted until when.
CREATE TABLE credential (
    credential_id uuid        PRIMARY KEY,
    trust_id      uuid        NOT NULL REFERENCES connection,
    secret_hash   bytea       NOT NULL CHECK (length(secret_hash) = 32),
    made_at       timestamptz NOT NULL,
    expires_at    timestamptz
);

CREATE INDEX credential_by_trust ON credential (trust_id);
