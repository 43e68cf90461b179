-- The answer to each command, so that a client may send it again (Idempotency-Key).
-- The row is inserted first in the command's transaction: a twin waits for it, then reads it.
CREATE TABLE idempotency (
    actor        text        NOT NULL, -- a hash of subject, role and scope
    route        text        NOT NULL, -- method and path, as in POST /networks
    key          text        NOT NULL,
    request_hash bytea       NOT NULL,
    created_at   timestamptz NOT NULL,
    -- NULL only within the command's own transaction
    status       integer,
    headers      jsonb,
    body         bytea,
    PRIMARY KEY (actor, route, key)
);

-- For forgetting the old ones.
CREATE INDEX idempotency_created_at ON idempotency (created_at);
