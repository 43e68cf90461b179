-- What of a trust's own topic was not taken, and why, for the trust to see. Nothing of its content is
-- kept, so there is nothing to erase. The newest of each trust stay.
CREATE TABLE refused (
    trust_id   uuid        NOT NULL,
    "offset"   bigint      NOT NULL,
    refused_at timestamptz NOT NULL,
    source     text,
    event_id   text,
    refusal    jsonb       NOT NULL,
    PRIMARY KEY (trust_id, "offset")
);
