-- What trusts have reported, as integration says. Key: the record, here and in the next table. The
-- two come by different topics, in any order.

CREATE TABLE matched_record (
    record    text PRIMARY KEY,
    person_id uuid NOT NULL
);

CREATE INDEX matched_record_by_person ON matched_record (person_id);

-- Somebody of a school's staff is away, from the first day to the last, if that is known.
CREATE TABLE reported_absence (
    record     text        NOT NULL,
    from_on    date        NOT NULL,
    to_on      date,
    school_id  uuid        NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (record, from_on)
);

-- Whether a school's trust has reported that a person is away from that school on a date.
CREATE FUNCTION is_away(person uuid, school uuid, day date) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT EXISTS (SELECT
                     FROM matched_record AS m
                     JOIN reported_absence AS a USING (record)
                    WHERE m.person_id IN (SELECT ids_of_person(person))
                      AND a.school_id = school
                      AND a.from_on <= day
                      AND (a.to_on IS NULL OR day <= a.to_on))
$$;
