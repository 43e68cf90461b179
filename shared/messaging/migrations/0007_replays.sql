-- Who had the parked records of a key processed again, which of them took effect, and which failed
-- once more.
CREATE TABLE replay (
    topic       text        NOT NULL,
    key         text        NOT NULL,
    applied     bigint[]    NOT NULL,
    failed      bigint,
    replayed_by text        NOT NULL,
    replayed_at timestamptz NOT NULL DEFAULT now()
);
