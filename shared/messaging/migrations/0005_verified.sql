-- How far the hourly comparison of this database with the topics has come: in the journal (with
-- what waited to be sent then), and in each partition, with the event that shows that the topic is
-- still the same one. `found` is what an operator has to look at.
CREATE TABLE verified (
    one         boolean     PRIMARY KEY DEFAULT true CHECK (one),
    verified_at timestamptz NOT NULL,
    position    bigint      NOT NULL,
    waiting     bigint[]    NOT NULL,
    found       text
);

CREATE TABLE verified_partition (
    topic     text    NOT NULL,
    partition integer NOT NULL,
    "offset"  bigint  NOT NULL,
    event_id  uuid    NOT NULL,
    PRIMARY KEY (topic, partition)
);
