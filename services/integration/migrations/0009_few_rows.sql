-- Of each there are mostly one or two rows. By PostgreSQL's own guess, a thousand each, the feeder would
-- read whole tables to look at a few slices.
ALTER FUNCTION ids_of_person ROWS 2;
ALTER FUNCTION trusts_of_school ROWS 2;
ALTER FUNCTION trusts_of_person ROWS 2;

-- As before, but called in FROM: there PostgreSQL plans what a function does together with the
-- statement, and does not start it anew for each row.
CREATE OR REPLACE FUNCTION trusts_of(slice told) RETURNS SETOF uuid
LANGUAGE sql STABLE PARALLEL SAFE ROWS 2 AS $$
    SELECT t.trust_id
      FROM trust AS t
     WHERE slice.audience = 'group'
       AND t.trust_id = slice.audience_id
     UNION
    SELECT s.trust_id
      FROM trusts_of_school(
               slice.audience_id, (slice.time AT TIME ZONE 'Europe/London')::date) AS s (trust_id)
     WHERE slice.audience = 'school'
     UNION
    SELECT s.trust_id
      FROM day_school AS d
     CROSS JOIN LATERAL trusts_of_school(
               d.school_id, (greatest(slice.time, d.since) AT TIME ZONE 'Europe/London')::date)
               AS s (trust_id)
     WHERE slice.audience = 'day'
       AND d.day_id = slice.audience_id
     UNION
    SELECT p.trust_id
      FROM trusts_of_person(
               slice.audience_id, (slice.time AT TIME ZONE 'Europe/London')::date, slice.formerly)
               AS p (trust_id)
     WHERE slice.audience = 'person'
$$;

CREATE OR REPLACE FUNCTION affected(audience text, id uuid)
RETURNS TABLE (audience text, audience_id uuid)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 2 AS $$
    SELECT $1, $2
     UNION ALL
    SELECT 'day', d.day_id
      FROM day_school AS d
     WHERE $1 = 'school'
       AND d.school_id = $2
     UNION ALL
    SELECT 'person', i.person_id
      FROM post AS p
     CROSS JOIN LATERAL ids_of_person(p.person_id) AS i (person_id)
     WHERE $1 = 'school'
       AND p.school_id = $2
     UNION ALL
    SELECT 'person', i.person_id
      FROM ids_of_person($2) AS i (person_id)
     WHERE $1 = 'person'
$$;
