-- Publishing -----------------------------------------------------------------------------------

-- The counter of each key. Its row lock orders the writers of a key until they commit.
CREATE TABLE stream (
    topic    text   NOT NULL,
    key      text   NOT NULL,
    sequence bigint NOT NULL CHECK (sequence > 0),
    PRIMARY KEY (topic, key)
);

-- The journal: every event of this service, for ever. json, not jsonb, keeps the bytes as they
-- were, so that an event that is sent again is the same. A tombstone has no payload.
CREATE TABLE event (
    position    bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id          uuid        NOT NULL UNIQUE,
    topic       text        NOT NULL,
    key         text        NOT NULL,
    sequence    bigint      NOT NULL,
    type        text        NOT NULL,
    payload     json        CHECK (octet_length(payload::text) <= 512 * 1024),
    headers     jsonb       NOT NULL DEFAULT '{}',
    actor       text        NOT NULL,
    recorded_at timestamptz NOT NULL,
    UNIQUE (topic, key, sequence)
);

-- What is not yet on Kafka. Rows live for milliseconds, so the table is vacuumed by every few. No
-- foreign key: only append_events writes here, in the statement that writes the event, and the
-- check of each row cost as much as writing it twice.
CREATE TABLE outbox (
    shard    integer NOT NULL,
    position bigint  NOT NULL,
    PRIMARY KEY (shard, position)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- Who sends a shard: the row lock is ownership, which also works behind a transaction pooler.
-- `owner` is the relay that had it last; shards of compacted topics are fenced when it changes.
CREATE TABLE shard (
    shard     integer PRIMARY KEY,
    compacted boolean NOT NULL,
    owner     uuid
);

INSERT INTO shard (shard, compacted)
SELECT number, number >= 16
  FROM generate_series(0, 16) AS number;

-- The last record that the relay knows to be on each partition.
CREATE TABLE checkpoint (
    topic     text    NOT NULL,
    partition integer NOT NULL,
    "offset"  bigint  NOT NULL,
    event_id  uuid    NOT NULL,
    PRIMARY KEY (topic, partition)
);

-- Appends the events of a transaction and answers how many were new. It is the transaction's last
-- statement: from here to the commit the streams of its keys are locked, in the order of their
-- names, so that two transactions never wait for each other in a circle.
-- An id that is in the journal is not appended again.
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
-- A plan made for arrays of any length takes them to be short, and joins a large batch in loops.
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    appended integer;
BEGIN
    WITH given AS MATERIALIZED (
        SELECT g.id, g.topic, g.key, g.type, g.payload, g.compacted,
               CASE WHEN g.traceparent IS NULL THEN '{}'
                    ELSE jsonb_build_object('traceparent', g.traceparent)
               END AS headers,
               g.number
          FROM unnest(ids, topics, keys, types, payloads, compacts, traceparents)
               WITH ORDINALITY AS g (id, topic, key, type, payload, compacted, traceparent, number)
    ),
    fresh AS (
        SELECT uuidv7() AS id, topic, key, type, payload, compacted, headers, number
          FROM given
         WHERE id IS NULL
        UNION ALL
        SELECT *
          FROM (SELECT DISTINCT ON (id) *
                  FROM given AS g
                 WHERE g.id IS NOT NULL
                   AND NOT EXISTS (SELECT FROM event AS e WHERE e.id = g.id)
                 ORDER BY id, number) AS identified
    ),
    counted AS MATERIALIZED (
        SELECT *,
               row_number() OVER (PARTITION BY topic, key ORDER BY number) AS nth,
               count(*) OVER (PARTITION BY topic, key) AS events_of_key
          FROM fresh
    ),
    locked AS MATERIALIZED (
        INSERT INTO stream AS s (topic, key, sequence)
        SELECT topic, key, events_of_key
          FROM counted
         WHERE nth = 1
         ORDER BY topic, key
        ON CONFLICT (topic, key) DO UPDATE SET sequence = s.sequence + excluded.sequence
        RETURNING topic, key, sequence
    ),
    journaled AS (
        INSERT INTO event (id, topic, key, sequence, type, payload, headers, actor, recorded_at)
        SELECT c.id, c.topic, c.key, l.sequence - c.events_of_key + c.nth, c.type,
               c.payload::json, c.headers, event_actor, clock_timestamp()
          FROM counted AS c
          JOIN locked AS l USING (topic, key)
         ORDER BY c.number
        RETURNING position, topic, key
    ),
    queued AS (
        INSERT INTO outbox (shard, position)
        SELECT CASE WHEN t.compacted THEN 16
                    ELSE (hashtextextended(j.key, 0) & 15)::integer
               END,
               j.position
          FROM journaled AS j
          JOIN (SELECT DISTINCT topic, compacted FROM counted) AS t USING (topic)
        RETURNING 1
    )
    SELECT count(*) INTO appended FROM queued;
    RETURN appended;
END
$$;

-- Consuming ------------------------------------------------------------------------------------

-- How far each key has come. `version` counts every move of the row and is what two replicas
-- compare and set; the sequence alone would not show that one of them has set an event aside.
CREATE TABLE inbox (
    topic    text   NOT NULL,
    key      text   NOT NULL,
    sequence bigint NOT NULL,
    last_id  uuid,
    version  bigint NOT NULL,
    PRIMARY KEY (topic, key)
);

-- The record that was taken last from each partition: where to go on, and how to know that the
-- topic is still the same one.
CREATE TABLE position (
    topic     text    NOT NULL,
    partition integer NOT NULL,
    "offset"  bigint  NOT NULL,
    event_id  uuid,
    PRIMARY KEY (topic, partition)
);

-- Events that came before one that they follow. They wait here as they came.
CREATE TABLE set_aside (
    topic     text        NOT NULL,
    key       text        NOT NULL,
    sequence  bigint      NOT NULL,
    event_id  uuid,
    partition integer     NOT NULL,
    "offset"  bigint      NOT NULL,
    headers   json        NOT NULL,
    value     bytea,
    since     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, key, sequence)
);

-- Records that could not be processed, and the later ones of their key. A record without a
-- readable key or sequence has neither, and holds up nothing.
CREATE TABLE parked (
    parked_id bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic     text        NOT NULL,
    partition integer     NOT NULL,
    "offset"  bigint      NOT NULL,
    key       text,
    sequence  bigint,
    event_id  uuid,
    headers   json        NOT NULL,
    raw_key   bytea,
    value     bytea,
    reason    text        NOT NULL,
    failure   text        NOT NULL,
    since     timestamptz NOT NULL DEFAULT now()
);

-- A record is parked once. Not by its offset, which another event has in a Kafka that was refilled.
CREATE UNIQUE INDEX parked_by_key ON parked (topic, key, sequence) WHERE key IS NOT NULL;
CREATE UNIQUE INDEX parked_by_offset
    ON parked (topic, partition, "offset", md5(coalesce(value, ''))) WHERE key IS NULL;
CREATE INDEX parked_by_failure ON parked (failure, since) WHERE key IS NOT NULL;

-- An operator's decision to do without an event. It outlives the parked row, and a rebuild keeps it.
CREATE TABLE discarded (
    topic        text        NOT NULL,
    key          text        NOT NULL,
    sequence     bigint      NOT NULL,
    event_id     uuid,
    reason       text        NOT NULL,
    discarded_by text        NOT NULL,
    discarded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, key, sequence)
);

-- A stop that the platform made by itself, until an operator ends it. One at a time for each part.
CREATE TABLE stop (
    stop_id    bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    part       text        NOT NULL,
    reason     text        NOT NULL,
    stopped_at timestamptz NOT NULL DEFAULT now(),
    resumed_at timestamptz,
    resumed_by text,
    resumed_because text
);

CREATE UNIQUE INDEX stop_in_force ON stop (part) WHERE resumed_at IS NULL;
