-- Sandboxes: fictional trusts for developers. What is told of them stands in the same tables as what is real, and
-- what is here says that it is fictional. No other service hears of it.

-- The URNs of its schools begin with `first_urn`. Its feed begins behind the position `begins`, which each reset
-- puts behind all that were given out, so no position means two events. `days`: how many have been played.
CREATE TABLE sandbox (
    trust_id  uuid        PRIMARY KEY,
    first_urn integer     NOT NULL UNIQUE,
    begins    bigint      NOT NULL,
    days      integer     NOT NULL,
    made_at   timestamptz NOT NULL
);

-- Ids of fictional trusts, schools, people and days, and whose sandbox they are in.
CREATE TABLE fictional (
    id       uuid PRIMARY KEY,
    trust_id uuid NOT NULL REFERENCES sandbox
);

CREATE INDEX fictional_by_trust ON fictional (trust_id);

-- The sandbox in which something is; NULL: it is real.
CREATE FUNCTION sandbox_of(thing uuid) RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT trust_id FROM fictional WHERE id = thing
$$;

-- Posts of fictional people as membership would have them; `records` are the external ids that mean one.
CREATE TABLE played_post (
    post_id      uuid   PRIMARY KEY,
    person_id    uuid   NOT NULL REFERENCES fictional ON DELETE CASCADE,
    school_id    uuid   NOT NULL,
    role         text   NOT NULL,
    appointed_on date   NOT NULL,
    left_on      date,
    records      text[] NOT NULL
);

CREATE INDEX played_post_by_person ON played_post (person_id);

-- Slices are deleted by a reset alone, which has the feeder's turn. To check that, PostgreSQL would read
-- the whole feed for each of them.
ALTER TABLE feed DROP CONSTRAINT feed_told_fkey;
