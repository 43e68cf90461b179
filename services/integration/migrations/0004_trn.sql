-- The teacher reference number that a trust has reported of a member of staff, for matching alone:
-- sealed, and marked, so that the same number is found again. It goes when the record is erased.
CREATE TABLE staff_trn (
    trust_id    uuid  NOT NULL,
    external_id text  NOT NULL,
    mark        bytea NOT NULL,
    sealed      bytea NOT NULL,
    PRIMARY KEY (trust_id, external_id),
    FOREIGN KEY (trust_id, external_id) REFERENCES staff
);

CREATE INDEX staff_trn_by_mark ON staff_trn (mark);
