-- On which database server, and when begun, the journal was last compared with the topics. At most
-- one row; without a start where the topics hold events that the journal lacks. Where it is only
-- trusted, Kafka was away: events are appended, and none is sent.
CREATE TABLE compared (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    started_at timestamptz,
    journal    oid  NOT NULL,
    system     bigint NOT NULL,
    timeline   text NOT NULL,
    trusted    boolean NOT NULL DEFAULT false
);

CREATE FUNCTION is_compared(trusting boolean DEFAULT false) RETURNS boolean
LANGUAGE sql
STABLE
AS $$
    SELECT EXISTS (SELECT
                     FROM compared
                    WHERE started_at = pg_postmaster_start_time()
                      AND journal = 'event'::regclass
                      AND (trusting OR NOT trusted))
$$;

-- What this database server is known by: a restart, a promoted standby and a backup that is put
-- back have another start, a dump that is loaded has another table.
CREATE FUNCTION this_server(
    OUT started_at timestamptz, OUT journal oid, OUT system bigint, OUT timeline text
)
LANGUAGE sql
AS $$
    SELECT pg_postmaster_start_time(),
           'event'::regclass::oid,
           (SELECT system_identifier FROM pg_control_system()),
           left(pg_walfile_name(pg_current_wal_lsn()), 8)
$$;

-- Nothing is appended on a server on which the journal was not compared: it could be an older one,
-- and would count sequences again that consumers have seen. Asked here, so that no process and no
-- connection can miss it; a statement of a trigger costs a few microseconds.
CREATE FUNCTION refuse_unless_compared() RETURNS trigger
LANGUAGE plpgsql
-- Loading a dump, pg_restore looks names up nowhere.
SET search_path FROM CURRENT
AS $$
BEGIN
    IF NOT EXISTS (SELECT
                     FROM compared
                    WHERE started_at = pg_postmaster_start_time()
                      AND journal = TG_RELID) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = coalesce(
                (SELECT reason FROM stop WHERE part = 'api' AND resumed_at IS NULL),
                'The database server began anew, and the journal has not been compared with the '
                'topics since. The relay does that as soon as Kafka answers.');
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER only_where_compared BEFORE INSERT ON event
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_unless_compared();
