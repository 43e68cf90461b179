-- Marks that have been taken leave their room behind until it is vacuumed. Meanwhile every write
-- forgot the years, and every report worked out a whole one: so where there is much room, the marks
-- in it are counted.
CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_relation_size('touched') > 8 * 1024 * 1024
       AND EXISTS (SELECT FROM touched OFFSET 150000) THEN
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
