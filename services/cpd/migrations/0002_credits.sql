-- Key: the day, `source_id`. A credit that was revoked stays as a trail.
CREATE TABLE credit (
    credit_id  uuid          PRIMARY KEY,
    source_id  uuid          NOT NULL,
    person_id  uuid          NOT NULL,
    hours      numeric       NOT NULL,
    strand     text          NOT NULL,
    source     text          NOT NULL,
    school_id  uuid,
    earned_on  date          NOT NULL,
    revoked    boolean       NOT NULL DEFAULT false,
    updated_at timestamptz   NOT NULL DEFAULT now()
);

-- A day credits a person once.
CREATE UNIQUE INDEX credit_standing ON credit (source_id, person_id) WHERE NOT revoked;
CREATE INDEX credit_by_person ON credit (person_id, credit_id);

-- Key: the person; written by commands, but for the title, which erasing the person takes away.
CREATE TABLE own_record (
    credit_id  uuid          PRIMARY KEY,
    person_id  uuid          NOT NULL,
    hours      numeric       NOT NULL CHECK (hours > 0 AND hours <= 24 AND hours % 0.25 = 0),
    strand     text          NOT NULL,
    school_id  uuid,
    earned_on  date          NOT NULL,
    title      text,
    revoked    boolean       NOT NULL DEFAULT false,
    updated_at timestamptz   NOT NULL DEFAULT now()
);

CREATE INDEX own_record_by_person ON own_record (person_id, credit_id);

-- Everything that anybody was credited with.
CREATE VIEW earned AS
SELECT credit_id, person_id, hours, strand, source, source_id, school_id, earned_on,
       NULL::text AS title, revoked, updated_at
  FROM credit
UNION ALL
SELECT credit_id, person_id, hours, strand, 'own_record', credit_id, school_id, earned_on,
       title, revoked, updated_at
  FROM own_record;
