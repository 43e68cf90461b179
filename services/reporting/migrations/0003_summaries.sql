-- Summaries of the years that are asked for, so that a report need not read all rows of its year.
-- They follow from the other tables: unlogged, they are empty after a crash, and whatever is not
-- there is worked out when it is asked for.

CREATE INDEX credit_by_source ON credit (source_id);
CREATE INDEX person_merge_by_person ON person_merge (person_id);

-- The years that the next two tables speak of. Who works out anything locks this table.
CREATE UNLOGGED TABLE summed_year (
    year integer PRIMARY KEY,
    size integer NOT NULL -- contributions, when it was worked out
);

-- What each unit, which is a day, a school or whatever else hours were earned on, brings to which
-- figure: `n`, or once for each `entity`, whose latest row counts, of one date that with the lowest
-- `tie`.
CREATE UNLOGGED TABLE contribution (
    year       integer NOT NULL,
    unit       uuid    NOT NULL,
    figure     text    NOT NULL COLLATE "C",
    entity     uuid,
    network_id uuid,
    region     text    COLLATE "C",
    kind       text[]  NOT NULL COLLATE "C",
    n          numeric NOT NULL,
    dated      date,
    tie        text    COLLATE "C"
);

CREATE INDEX contribution_by_unit ON contribution (year, unit);
CREATE INDEX contribution_by_entity ON contribution (year, entity) WHERE entity IS NOT NULL;
CREATE INDEX contribution_without_region ON contribution (network_id) WHERE region IS NULL;

-- What they come to in a network, a region or England.
CREATE UNLOGGED TABLE total (
    year   integer NOT NULL,
    scope  text    NOT NULL COLLATE "C",
    figure text    NOT NULL COLLATE "C",
    kind   text[]  NOT NULL COLLATE "C",
    n      numeric NOT NULL,
    PRIMARY KEY (year, scope, figure, kind)
);

-- What has been written since: a unit, a network or a person, as often as it was.
CREATE UNLOGGED TABLE touched (
    kind text NOT NULL,
    id   uuid NOT NULL
);

-- In the transaction that writes, whichever code it is of. Where nobody has asked for so long that
-- there are 150,000, it forgets the years instead; then it must neither miss nor be missed by
-- somebody who works one out.
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_relation_size('touched') > 8 * 1024 * 1024 THEN
        LOCK TABLE summed_year IN ROW EXCLUSIVE MODE;
        DELETE FROM summed_year;
        RETURN NULL;
    END IF;
    CASE TG_ARGV[0]
        WHEN 'day_id' THEN
            INSERT INTO touched SELECT DISTINCT 'unit', day_id FROM changed;
        WHEN 'source_id' THEN
            INSERT INTO touched SELECT DISTINCT 'unit', source_id FROM changed;
        WHEN 'school_id' THEN
            INSERT INTO touched SELECT DISTINCT 'school', school_id FROM changed;
        WHEN 'network_id' THEN
            INSERT INTO touched SELECT DISTINCT 'network', network_id FROM changed;
        WHEN 'person_id' THEN
            INSERT INTO touched SELECT DISTINCT 'person', person_id FROM changed;
    END CASE;
    RETURN NULL;
END
$$;

DO $$
DECLARE
    written record;
BEGIN
    FOR written IN
        SELECT *
          FROM (VALUES ('network', 'network_id'), ('person_merge', 'person_id'),
                       ('membership', 'school_id'), ('membership_move', 'school_id'),
                       ('network_day', 'day_id'), ('register_entry', 'day_id'),
                       ('development_day', 'day_id'), ('participant', 'day_id'),
                       ('credit', 'source_id')) AS given (name, owner),
               (VALUES ('INSERT', 'NEW'), ('UPDATE', 'NEW'), ('DELETE', 'OLD')) AS act (verb, side)
    LOOP
        EXECUTE format(
            'CREATE TRIGGER touch_%s AFTER %s ON %I REFERENCING %s TABLE AS changed '
            'FOR EACH STATEMENT EXECUTE FUNCTION touch(%L)',
            lower(written.verb), written.verb, written.name, written.side, written.owner);
    END LOOP;
END
$$;
