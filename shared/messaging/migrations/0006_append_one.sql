-- Most commands have one event. Appended by itself its statements keep their plans; for many, each
-- call plans anew, which took longer than all the rest.
ALTER FUNCTION append_events(uuid[], text[], text[], text[], text[], boolean[], text[], text)
    RENAME TO append_many;

-- Appends the events of a transaction and answers how many were new. It is the transaction's last
-- statement: from here to the commit the streams of its keys are locked. An id that is in the
-- journal is not appended again.
CREATE FUNCTION append_events(
    ids      uuid[],     -- NULL where the event is new by nature
    topics   text[],
    keys     text[],
    types    text[],
    payloads text[],
    compacts boolean[],
    traceparents  text[],  -- NULL where nothing is traced
    event_actor   text
) RETURNS integer
LANGUAGE plpgsql
AS $$
DECLARE
    counted bigint;
    placed  bigint;
BEGIN
    IF cardinality(keys) <> 1 THEN
        RETURN append_many(
            ids, topics, keys, types, payloads, compacts, traceparents, event_actor
        );
    END IF;
    IF ids[1] IS NOT NULL AND EXISTS (SELECT FROM event AS e WHERE e.id = ids[1]) THEN
        RETURN 0;
    END IF;
    INSERT INTO stream AS s (topic, key, sequence)
    VALUES (topics[1], keys[1], 1)
    ON CONFLICT (topic, key) DO UPDATE SET sequence = s.sequence + 1
    RETURNING sequence INTO counted;
    INSERT INTO event (id, topic, key, sequence, type, payload, headers, actor, recorded_at)
    VALUES (
        coalesce(ids[1], uuidv7()), topics[1], keys[1], counted, types[1], payloads[1]::json,
        CASE WHEN traceparents[1] IS NULL THEN '{}'
             ELSE jsonb_build_object('traceparent', traceparents[1])
        END,
        event_actor, clock_timestamp()
    )
    RETURNING position INTO placed;
    INSERT INTO outbox (shard, position)
    VALUES (
        CASE WHEN compacts[1] THEN 16 ELSE (hashtextextended(keys[1], 0) & 15)::integer END,
        placed
    );
    RETURN 1;
END
$$;
