-- How far an intake has taken a topic that others write: the last record, and what shows that it is
-- that one. -1: nothing of it. Whoever takes records of the topic locks its row.
CREATE TABLE intake_position (
    topic     text   PRIMARY KEY,
    "offset"  bigint NOT NULL,
    record_id uuid
);
