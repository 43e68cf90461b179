-- Whose role a post is, as a trust's OneRoster files have said: a file may tell of the user alone.
CREATE TABLE roster_role (
    trust_id    uuid NOT NULL,
    external_id text NOT NULL,
    user_id     text NOT NULL,
    PRIMARY KEY (trust_id, external_id),
    FOREIGN KEY (trust_id, external_id) REFERENCES staff
);
