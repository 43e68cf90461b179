-- Where a trust's events are sent. `position` is of its feed: what is up to there has been taken, or
-- is in `delivery`. `types` NULL: of all types.
CREATE TABLE webhook (
    webhook_id uuid        PRIMARY KEY,
    trust_id   uuid        NOT NULL REFERENCES connection,
    url        text        NOT NULL,
    types      text[],
    made_at    timestamptz NOT NULL,
    state      text        NOT NULL,
    rests      text,
    position   bigint      NOT NULL,
    CHECK ((state = 'resting') = (rests IS NOT NULL))
);

CREATE INDEX webhook_by_trust ON webhook (trust_id);

-- Sealed: we sign with it, so a hash would not do.
CREATE TABLE webhook_secret (
    secret_id  uuid        PRIMARY KEY,
    webhook_id uuid        NOT NULL REFERENCES webhook ON DELETE CASCADE,
    sealed     bytea       NOT NULL,
    made_at    timestamptz NOT NULL,
    expires_at timestamptz
);

CREATE INDEX webhook_secret_by_webhook ON webhook_secret (webhook_id);

-- What is to be sent, a bounded part of the feed; a row goes when it has been taken. Of a stream
-- only the first may be on its way. A ping is in no feed: its position is below 0.
CREATE TABLE delivery (
    webhook_id    uuid        NOT NULL REFERENCES webhook ON DELETE CASCADE,
    position      bigint      NOT NULL,
    stream        text        NOT NULL,
    tries         integer     NOT NULL DEFAULT 0,
    due_at        timestamptz NOT NULL,
    claimed_until timestamptz,
    PRIMARY KEY (webhook_id, position)
);

CREATE INDEX delivery_by_stream ON delivery (webhook_id, stream, position);

-- The log: what was sent, and what was answered. Old rows go.
CREATE TABLE attempt (
    attempt_id bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    webhook_id uuid        NOT NULL REFERENCES webhook ON DELETE CASCADE,
    event_id   uuid        NOT NULL,
    type       text        NOT NULL,
    position   bigint      NOT NULL,
    tries      integer     NOT NULL,
    sent_at    timestamptz NOT NULL,
    took_ms    integer     NOT NULL,
    status     integer,
    answer     text        NOT NULL,
    trouble    text,
    taken      boolean     NOT NULL
);

CREATE INDEX attempt_by_webhook ON attempt (webhook_id, attempt_id);
CREATE INDEX attempt_by_time ON attempt (sent_at);
