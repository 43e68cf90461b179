-- Which school was in which network when: a row for each stay, its days included. A stay that was
-- moved out of before it began has its last day before its first and matches no date.
CREATE VIEW placement AS
WITH step AS (
    SELECT school_id, membership_id, network_id, joined_on AS from_on, 0::bigint AS number
      FROM membership
     UNION ALL
    SELECT v.school_id, v.membership_id, v.network_id, greatest(v.moved_on, m.joined_on), v.number
      FROM membership_move AS v
      JOIN membership AS m USING (membership_id)
),
stay AS (
    SELECT school_id, membership_id, network_id, from_on,
           lead(from_on) OVER (PARTITION BY school_id, membership_id ORDER BY from_on, number)
               AS next_from_on
      FROM step
)
SELECT s.school_id, s.membership_id, s.network_id, m.pathway, s.from_on,
       least(s.next_from_on - 1, coalesce(m.ended_on, m.ends_on)) AS to_on
  FROM stay AS s
  JOIN membership AS m USING (membership_id)
 WHERE NOT m.void;

-- Ids that mean another person: the one that stays, however often records were merged.
CREATE VIEW one_person AS
WITH RECURSIVE way AS (
    SELECT merged_person_id AS person_id, person_id AS stays
      FROM person_merge
     UNION
    SELECT w.person_id, m.person_id
      FROM way AS w
      JOIN person_merge AS m ON m.merged_person_id = w.stays
)
SELECT DISTINCT ON (w.person_id) w.person_id, w.stays
  FROM way AS w
 WHERE NOT EXISTS (SELECT FROM person_merge AS m WHERE m.merged_person_id = w.stays)
 ORDER BY w.person_id, w.stays;
