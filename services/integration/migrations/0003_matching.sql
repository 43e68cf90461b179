-- Who a member of staff that a trust has reported is. First what membership's events say of people;
-- each row belongs to the key of the events that write it: the person.

CREATE TABLE erased_person (
    person_id uuid PRIMARY KEY
);

-- `plain_name` and `plain_email` are as they are compared. A record that was merged into another has
-- no profile any more, so nobody is matched to it.
CREATE TABLE profile (
    person_id   uuid PRIMARY KEY,
    name        text NOT NULL,
    email       text,
    plain_name  text NOT NULL,
    plain_email text
);

CREATE INDEX profile_by_name ON profile (plain_name);
CREATE INDEX profile_by_email ON profile (plain_email);

CREATE TABLE post (
    post_id   uuid PRIMARY KEY,
    person_id uuid NOT NULL,
    school_id uuid NOT NULL
);

CREATE INDEX post_by_person ON post (person_id, school_id);

-- The end of a post has a row of its own: after a merge it comes under another person's key than
-- the post, and may come before it. `left_on` is the last day in the post.
CREATE TABLE post_left (
    post_id   uuid NOT NULL,
    person_id uuid NOT NULL,
    left_on   date NOT NULL,
    PRIMARY KEY (post_id, person_id)
);

-- Our own: a record of a trust and the person that it means. While `person_id` is NULL it waits for
-- somebody to decide among `candidates`.
CREATE TABLE link (
    link_id     uuid        PRIMARY KEY,
    trust_id    uuid        NOT NULL,
    external_id text        NOT NULL,
    person_id   uuid,
    candidates  uuid[]      NOT NULL,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (trust_id, external_id),
    FOREIGN KEY (trust_id, external_id) REFERENCES staff
);

CREATE INDEX link_by_person ON link (person_id);

-- What a trust's own role codes mean; a code that is not here means `other`.
CREATE TABLE role_of_code (
    trust_id  uuid NOT NULL,
    role_code text NOT NULL,
    role      text NOT NULL,
    PRIMARY KEY (trust_id, role_code)
);

ALTER TABLE staff ADD COLUMN role text NOT NULL DEFAULT 'other';

-- Who has a post at which school on a date.
CREATE FUNCTION post_on(day date) RETURNS TABLE (person_id uuid, school_id uuid)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT p.person_id, p.school_id
      FROM post AS p
     WHERE NOT EXISTS (SELECT FROM post_left AS l WHERE l.post_id = p.post_id AND l.left_on < day)
$$;

-- Whether a person has a post at a school that is a group's on a date.
CREATE FUNCTION works_for(person uuid, trust uuid, day date) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT EXISTS (SELECT
                     FROM post_on(day) AS o
                     JOIN group_school AS g USING (school_id)
                    WHERE o.person_id = person
                      AND g.group_id = trust
                      AND g.joined_on <= day
                      AND (g.left_on IS NULL OR day < g.left_on))
$$;
