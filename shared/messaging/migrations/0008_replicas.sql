-- What each process of the service says of itself now and then, so that any of them can answer for
-- all. It is worth nothing after a crash, so no write-ahead log has it.
CREATE UNLOGGED TABLE replica (
    replica_id uuid        PRIMARY KEY,
    told_at    timestamptz NOT NULL DEFAULT now(),
    says       json        NOT NULL
);
