-- What membership's events say of people, as far as it decides who may see a record. Each row
-- belongs to the key of the events that write it; what spans keys is joined when it is read.

-- Key: the person, here and in the next three tables. No names: cpd does not read profiles.
CREATE TABLE person (
    person_id uuid    PRIMARY KEY,
    erased    boolean NOT NULL DEFAULT false
);

CREATE TABLE post (
    post_id      uuid PRIMARY KEY,
    person_id    uuid NOT NULL,
    school_id    uuid NOT NULL,
    appointed_on date NOT NULL
);

CREATE INDEX post_by_person ON post (person_id);

-- The end of a post has a row of its own: after a merge it comes under another person's key than
-- the post, and may come before it. `left_on` is the last day in the post.
CREATE TABLE post_left (
    post_id   uuid NOT NULL,
    person_id uuid NOT NULL,
    left_on   date NOT NULL,
    PRIMARY KEY (post_id, person_id)
);

-- `person_id` is the key, and the person that stays.
CREATE TABLE person_merge (
    person_id        uuid NOT NULL,
    merged_person_id uuid NOT NULL,
    PRIMARY KEY (merged_person_id, person_id)
);

CREATE INDEX person_merge_by_person ON person_merge (person_id);

-- Key: the group. `left_on` is the first day outside it.
CREATE TABLE group_school (
    group_id  uuid NOT NULL,
    school_id uuid NOT NULL,
    joined_on date NOT NULL,
    left_on   date,
    PRIMARY KEY (group_id, school_id, joined_on)
);

CREATE INDEX group_school_by_school ON group_school (school_id);

-- The person that stays, however often records were merged.
CREATE FUNCTION person_that_stays(person uuid) RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH RECURSIVE same AS (
        SELECT person AS person_id
         UNION
        SELECT m.person_id
          FROM same
          JOIN person_merge AS m ON m.merged_person_id = same.person_id
    )
    SELECT coalesce(
        (SELECT s.person_id
           FROM same AS s
          WHERE NOT EXISTS (SELECT FROM person_merge AS m
                             WHERE m.merged_person_id = s.person_id)
          ORDER BY s.person_id
          LIMIT 1),
        person
    )
$$;

-- All ids that mean the same person as the one given.
CREATE FUNCTION ids_of_person(person uuid) RETURNS SETOF uuid
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH RECURSIVE same AS (
        SELECT person_that_stays(person) AS person_id
         UNION
        SELECT m.merged_person_id
          FROM same
          JOIN person_merge AS m ON m.person_id = same.person_id
    )
    SELECT person_id FROM same
$$;

-- The schools at which a person, by whatever id, has a post on a date.
CREATE FUNCTION schools_of_person(person uuid, day date) RETURNS SETOF uuid
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT p.school_id
      FROM post AS p
     WHERE p.person_id IN (SELECT ids_of_person(person))
       AND p.appointed_on <= day
       AND NOT EXISTS (SELECT FROM post_left AS l
                        WHERE l.post_id = p.post_id AND l.left_on < day)
$$;
