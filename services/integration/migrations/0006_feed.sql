-- What goes out to trusts. First what effects cut events into: slices of one audience each, with a
-- position that ascends in the order of the events of a key.

-- `stream` is what is delivered in order: the topic's service and the key. The audience is a school,
-- a group, a person, or the schools of a day; `formerly`: also whoever had the person before `time`.
CREATE TABLE told (
    position    bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    id          uuid        NOT NULL UNIQUE,
    event_id    uuid        NOT NULL,
    type        text        NOT NULL,
    source      text        NOT NULL,
    subject     text        NOT NULL,
    sequence    text        NOT NULL,
    time        timestamptz NOT NULL,
    stream      text        NOT NULL,
    audience    text        NOT NULL CHECK (audience IN ('school', 'group', 'person', 'day')),
    audience_id uuid        NOT NULL,
    formerly    boolean     NOT NULL,
    traceparent text,
    data        jsonb       NOT NULL
);

CREATE INDEX told_by_audience ON told (audience_id, audience, position);

-- Key: the day. The schools that have, or have had, a place on it, from the first one on.
CREATE TABLE day_school (
    day_id    uuid        NOT NULL,
    school_id uuid        NOT NULL,
    since     timestamptz NOT NULL,
    PRIMARY KEY (day_id, school_id)
);

CREATE INDEX day_school_by_school ON day_school (school_id);

-- Key: the person that stays. Two records were one person.
CREATE TABLE person_merge (
    person_id        uuid NOT NULL,
    merged_person_id uuid NOT NULL,
    PRIMARY KEY (person_id, merged_person_id)
);

CREATE INDEX person_merge_by_merged ON person_merge (merged_person_id);

-- NULL where the post was known before this column: it counts as one that has always been.
ALTER TABLE post ADD COLUMN appointed_on date;
CREATE INDEX post_by_school ON post (school_id);
CREATE INDEX group_school_by_school ON group_school (school_id);

-- Whose a slice is, keys of different replicas decide: a school's stay, a person's post, a merge. So
-- effects only say what is due, and one feeder for the database joins it.

-- A new slice that nobody has looked at.
CREATE TABLE told_due (
    position bigint PRIMARY KEY
);

-- What belongs to more trusts than before, perhaps. `begun` is the turn in which the feeder began to
-- look through the slices, `after` how far it has come.
CREATE TABLE look_again (
    number      bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    audience    text   NOT NULL,
    audience_id uuid   NOT NULL,
    begun       bigint,
    after       bigint NOT NULL DEFAULT 0
);

CREATE INDEX look_again_new ON look_again (number) WHERE begun IS NULL;
CREATE INDEX look_again_begun ON look_again (begun);

-- Who changes this row feeds. It changes with each turn, so that a feeder that was overtaken by
-- another one begins its turn again.
CREATE TABLE feeder (
    one  boolean PRIMARY KEY DEFAULT true CHECK (one),
    turn bigint  NOT NULL
);

INSERT INTO feeder (turn) VALUES (0);

-- A trust's feed: positions count 1, 2, 3. `digest` combines the ids of all slices up to here, in
-- whatever order, so that a reader can prove what it has read.
CREATE TABLE feed (
    trust_id uuid   NOT NULL,
    position bigint NOT NULL,
    told     bigint NOT NULL REFERENCES told,
    digest   bigint NOT NULL,
    PRIMARY KEY (trust_id, position),
    UNIQUE (trust_id, told)
);

-- All ids that mean the same person as the one given.
CREATE FUNCTION ids_of_person(person uuid) RETURNS SETOF uuid
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH RECURSIVE same AS (
        SELECT person AS person_id
         UNION
        SELECT CASE same.person_id WHEN m.person_id THEN m.merged_person_id ELSE m.person_id END
          FROM same
          JOIN person_merge AS m ON same.person_id IN (m.person_id, m.merged_person_id)
    )
    SELECT person_id FROM same
$$;

-- The trusts that a school belongs to on a day.
CREATE FUNCTION trusts_of_school(school uuid, day date) RETURNS SETOF uuid
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT g.group_id
      FROM group_school AS g
      JOIN trust AS t ON t.trust_id = g.group_id
     WHERE g.school_id = school
       AND g.joined_on <= day
       AND (g.left_on IS NULL OR day < g.left_on)
$$;

-- The trusts that have a person on a day, by a post at one of their schools; `formerly`: or have had
-- them by then.
CREATE FUNCTION trusts_of_person(person uuid, day date, formerly boolean) RETURNS SETOF uuid
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT g.group_id
      FROM ids_of_person(person) AS i (person_id)
      JOIN post AS p USING (person_id)
      LEFT JOIN LATERAL (SELECT min(l.left_on) AS left_on
                           FROM post_left AS l
                          WHERE l.post_id = p.post_id) AS e ON true
      JOIN group_school AS g USING (school_id)
      JOIN trust AS t ON t.trust_id = g.group_id
     CROSS JOIN LATERAL (SELECT CASE WHEN formerly
                                     THEN greatest(p.appointed_on, g.joined_on)
                                     ELSE day
                                END AS day) AS seen
     WHERE greatest(p.appointed_on, g.joined_on) <= day
       AND (e.left_on IS NULL OR seen.day <= e.left_on)
       AND (g.left_on IS NULL OR seen.day < g.left_on)
$$;

-- The trusts to which a slice belongs, by London's date of its time. What happened to a day before a
-- school had its first place there is the school's from that on.
CREATE FUNCTION trusts_of(slice told) RETURNS SETOF uuid
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT t.trust_id
      FROM trust AS t
     WHERE slice.audience = 'group'
       AND t.trust_id = slice.audience_id
     UNION
    SELECT trusts_of_school(slice.audience_id, (slice.time AT TIME ZONE 'Europe/London')::date)
     WHERE slice.audience = 'school'
     UNION
    SELECT trusts_of_school(
               d.school_id, (greatest(slice.time, d.since) AT TIME ZONE 'Europe/London')::date)
      FROM day_school AS d
     WHERE slice.audience = 'day'
       AND d.day_id = slice.audience_id
     UNION
    SELECT trusts_of_person(
               slice.audience_id, (slice.time AT TIME ZONE 'Europe/London')::date, slice.formerly)
     WHERE slice.audience = 'person'
$$;

-- Whose slices may belong to more trusts, where something about an audience has changed.
CREATE FUNCTION affected(audience text, id uuid) RETURNS TABLE (audience text, audience_id uuid)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT $1, $2
     UNION ALL
    SELECT 'day', d.day_id
      FROM day_school AS d
     WHERE $1 = 'school'
       AND d.school_id = $2
     UNION ALL
    SELECT 'person', ids_of_person(p.person_id)
      FROM post AS p
     WHERE $1 = 'school'
       AND p.school_id = $2
     UNION ALL
    SELECT 'person', ids_of_person($2)
     WHERE $1 = 'person'
$$;
