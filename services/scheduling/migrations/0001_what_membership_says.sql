-- What membership's events say. Each row belongs to the key of the events that write it; what spans
-- keys is joined when it is read, because events of different keys arrive in any order.

-- Key: the network.
CREATE TABLE network (
    network_id     uuid PRIMARY KEY,
    name           text NOT NULL,
    region         text NOT NULL,
    established_on date NOT NULL,
    closed_on      date
);

-- Key: the network. Its advisers as they were assigned and unassigned, in the events' order; from
-- `changed_on` the person is its adviser, or is not.
CREATE TABLE adviser_change (
    network_id uuid    NOT NULL,
    sequence   bigint  NOT NULL,
    person_id  uuid    NOT NULL,
    changed_on date    NOT NULL,
    assigned   boolean NOT NULL,
    PRIMARY KEY (network_id, sequence)
);

CREATE INDEX adviser_change_by_person ON adviser_change (person_id);

-- Key: the school, here and in the next three.
CREATE TABLE school (
    school_id uuid    PRIMARY KEY,
    urn       integer NOT NULL,
    name      text    NOT NULL
);

-- `network_id` is the network that the school joined, before any move; `ended_on` is the last day
-- of a membership that was completed or left.
CREATE TABLE school_membership (
    membership_id uuid    PRIMARY KEY,
    school_id     uuid    NOT NULL,
    network_id    uuid    NOT NULL,
    pathway       text    NOT NULL,
    joined_on     date    NOT NULL,
    ends_on       date    NOT NULL,
    ended_on      date,
    void          boolean NOT NULL DEFAULT false
);

CREATE INDEX school_membership_by_school ON school_membership (school_id);
CREATE INDEX school_membership_by_network ON school_membership (network_id);

-- `moved_on` is the first day in the new network.
CREATE TABLE membership_move (
    membership_id uuid NOT NULL,
    moved_on      date NOT NULL,
    network_id    uuid NOT NULL,
    PRIMARY KEY (membership_id, moved_on)
);

CREATE INDEX membership_move_by_network ON membership_move (network_id);

-- Paused from `paused_on` until the day before `resumed_on`.
CREATE TABLE membership_pause (
    membership_id uuid NOT NULL,
    paused_on     date NOT NULL,
    resumed_on    date,
    PRIMARY KEY (membership_id, paused_on)
);

-- Key: the group. `left_on` is the first day outside it.
CREATE TABLE group_school (
    group_id  uuid NOT NULL,
    school_id uuid NOT NULL,
    joined_on date NOT NULL,
    left_on   date,
    PRIMARY KEY (group_id, school_id, joined_on)
);

-- Key: the person, here and in the next three.
CREATE TABLE post (
    post_id      uuid PRIMARY KEY,
    person_id    uuid NOT NULL,
    school_id    uuid NOT NULL,
    role         text NOT NULL,
    appointed_on date NOT NULL
);

CREATE INDEX post_by_person ON post (person_id, school_id);
CREATE INDEX post_by_school ON post (school_id);

-- The end of a post has a row of its own: after a merge it comes under another person's key than
-- the post, and may come before it. `left_on` is the last day in the post.
CREATE TABLE post_left (
    post_id   uuid NOT NULL,
    person_id uuid NOT NULL,
    left_on   date NOT NULL,
    PRIMARY KEY (post_id, person_id)
);

-- `person_id` is the key and the person that stays.
CREATE TABLE person_merge (
    person_id        uuid NOT NULL,
    merged_person_id uuid NOT NULL,
    PRIMARY KEY (merged_person_id, person_id)
);

CREATE INDEX person_merge_by_person ON person_merge (person_id);

CREATE TABLE erased_person (
    person_id uuid PRIMARY KEY
);

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
        (SELECT person_id
           FROM same
          WHERE NOT EXISTS (SELECT FROM person_merge AS m
                             WHERE m.merged_person_id = same.person_id)
          ORDER BY person_id
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

-- The network in which a school is a member on a date; NULL if it is none, or paused.
CREATE FUNCTION active_network(school uuid, day date) RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce((SELECT v.network_id
                       FROM membership_move AS v
                      WHERE v.membership_id = m.membership_id AND v.moved_on <= day
                      ORDER BY v.moved_on DESC
                      LIMIT 1),
                    m.network_id)
      FROM school_membership AS m
     WHERE m.school_id = school
       AND NOT m.void
       AND day BETWEEN m.joined_on AND coalesce(m.ended_on, m.ends_on)
       AND NOT EXISTS (SELECT FROM membership_pause AS p
                        WHERE p.membership_id = m.membership_id
                          AND p.paused_on <= day
                          AND (p.resumed_on IS NULL OR day < p.resumed_on))
     ORDER BY m.joined_on DESC, m.membership_id
     LIMIT 1
$$;

-- A person's role at a school on a date: of several posts the most senior one. NULL without a post.
CREATE FUNCTION role_at(person uuid, school uuid, day date) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT p.role
      FROM post AS p
     WHERE p.person_id IN (SELECT ids_of_person(person))
       AND p.school_id = school
       AND p.appointed_on <= day
       AND NOT EXISTS (SELECT FROM post_left AS l
                        WHERE l.post_id = p.post_id AND l.left_on < day)
     ORDER BY array_position(
                  ARRAY['headteacher', 'senior_leader', 'middle_leader', 'other'], p.role)
     LIMIT 1
$$;

-- The networks whose adviser a person is on a date.
CREATE FUNCTION networks_advised(person uuid, day date) RETURNS SETOF uuid
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT network_id
      FROM (SELECT DISTINCT ON (network_id) network_id, assigned
              FROM adviser_change
             WHERE person_id IN (SELECT ids_of_person(person))
               AND changed_on <= day
             ORDER BY network_id, changed_on DESC, sequence DESC) AS latest
     WHERE assigned
$$;
