-- What a relay begins its transaction with, in one exchange: it locks shards that have something to
-- send, and reads of each as many events as make a batch. The first row has the shards, and those
-- of them whose topics are compacted and that another relay had last; the others an event each.
-- None where a part is stopped, the journal was not compared, or there is nothing to send.
CREATE FUNCTION own_outbox(
    relay      uuid,
    parts      text[],  -- that stop the relay
    most       integer, -- shards
    batch      integer, -- events
    time_limit text     -- of the transaction, in milliseconds
) RETURNS TABLE (
    shards      integer[],
    taken_over  integer[],
    "position"  bigint,
    id          uuid,
    topic       text,
    key         text,
    sequence    bigint,
    type        text,
    payload     text,
    traceparent text,
    recorded_at timestamptz
)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    owned  integer[];
    others integer[];
BEGIN
    -- A timer that runs already is not set anew, so it is ended first.
    PERFORM set_config('transaction_timeout', '0', true);
    PERFORM set_config('transaction_timeout', time_limit, true);
    -- The newest row of a shard, by the index: before the oldest lie those that were just deleted,
    -- and without an order the table is read past all of them, for each shard.
    SELECT array_agg(l.shard),
           array_agg(l.shard) FILTER (WHERE l.compacted AND l.owner IS DISTINCT FROM relay)
      INTO owned, others
      FROM (SELECT s.shard, s.compacted, s.owner
              FROM shard AS s
             CROSS JOIN LATERAL (SELECT
                                   FROM outbox AS o
                                  WHERE o.shard = s.shard
                                  ORDER BY o.position DESC
                                  LIMIT 1) AS waiting
             WHERE NOT EXISTS (SELECT FROM stop WHERE part = ANY (parts) AND resumed_at IS NULL)
               AND is_compared()
             ORDER BY random()
             LIMIT most
               FOR UPDATE OF s SKIP LOCKED) AS l;
    IF owned IS NULL THEN
        RETURN;
    END IF;
    shards := owned;
    taken_over := coalesce(others, '{}');
    RETURN NEXT;
    -- A snapshot of its own, taken under the locks: what another relay has deleted is gone. One
    -- walk through the journal's index: joined row by row it took three times as long.
    RETURN QUERY
    SELECT NULL::integer[], NULL::integer[], e.position, e.id, e.topic, e.key, e.sequence, e.type,
           e.payload::text, e.headers ->> 'traceparent', e.recorded_at
      FROM event AS e
     WHERE e.position = ANY (ARRAY(
           SELECT o.position
             FROM unnest(owned) AS s (shard)
            CROSS JOIN LATERAL (SELECT position
                                  FROM outbox
                                 WHERE outbox.shard = s.shard
                                 ORDER BY position
                                 LIMIT greatest(1, batch / cardinality(owned))) AS o))
     ORDER BY e.position;
END
$$;
