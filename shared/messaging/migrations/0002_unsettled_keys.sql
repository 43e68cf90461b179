-- Whether something of the key is parked or set aside. Keys without are claimed without being read.
ALTER TABLE inbox ADD COLUMN unsettled boolean NOT NULL DEFAULT false;

-- Every event moves its key's row: with room on its page the index is left alone.
ALTER TABLE inbox SET (fillfactor = 70);

UPDATE inbox AS i
   SET unsettled = true
 WHERE EXISTS (SELECT FROM parked AS p WHERE (p.topic, p.key) = (i.topic, i.key))
    OR EXISTS (SELECT FROM set_aside AS s WHERE (s.topic, s.key) = (i.topic, i.key));

-- Moves keys that stand just before `first` to `last`, and answers which, by their number in the
-- arrays. It leaves alone those that stand elsewhere, are unsettled, or had an event discarded that
-- may be among these (a rebuild meets those again). Replicas that move the same key wait for one
-- another here, and the second finds that it stands elsewhere.
CREATE FUNCTION advance_inbox(
    topics   text[],
    keys     text[],
    firsts   bigint[],
    lasts    bigint[],
    last_ids uuid[]
) RETURNS integer[]
LANGUAGE plpgsql
-- One look at the index for each key, in the order given, whatever the planner believes of a table
-- that was empty a moment ago: joins in loops or a hash of the whole inbox took up to ten times as
-- long.
SET plan_cache_mode = force_generic_plan
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_seqscan = off
AS $$
DECLARE
    advanced integer[];
BEGIN
    WITH given AS (
        SELECT *
          FROM unnest(topics, keys, firsts, lasts, last_ids)
               WITH ORDINALITY AS g (topic, key, first, last, last_id, number)
         WHERE NOT EXISTS (SELECT FROM discarded)
            OR NOT EXISTS (SELECT
                             FROM discarded AS d
                            WHERE (d.topic, d.key) = (g.topic, g.key)
                              AND d.sequence >= g.first)
    ),
    moved AS (
        MERGE INTO inbox AS i
        USING given AS g
           ON (i.topic, i.key) = (g.topic, g.key)
         WHEN MATCHED AND i.sequence = g.first - 1 AND NOT i.unsettled THEN
              UPDATE SET sequence = g.last, last_id = g.last_id, version = i.version + 1
         WHEN NOT MATCHED AND g.first = 1 THEN
              INSERT (topic, key, sequence, last_id, version)
              VALUES (g.topic, g.key, g.last, g.last_id, 1)
        RETURNING g.number::integer
    )
    SELECT coalesce(array_agg(number), '{}') INTO advanced FROM moved;
    RETURN advanced;
END
$$;
