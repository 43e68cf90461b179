"""Triggers in the services' databases that note every write of inbox and effects, as it is done.

They share each write's transaction, so they know what took effect when and how often, whatever
the kernel believes.
"""

import asyncpg

EFFECTS: dict[str, dict[str, str]] = {
    "scheduling": {
        "network": "network_id",
        "adviser_change": "network_id",
        "school": "school_id",
        "school_membership": "school_id",
        "membership_move": "membership_id",
        "membership_pause": "membership_id",
        "post": "person_id",
        "post_left": "person_id",
        "person_merge": "person_id",
        "erased_person": "person_id",
    },
    "cpd": {
        "credit": "source_id",
        "post": "person_id",
        "post_left": "person_id",
        "person_merge": "person_id",
    },
    "reporting": {
        "network": "network_id",
        "school": "school_id",
        "membership": "school_id",
        "membership_move": "school_id",
        "person_merge": "person_id",
        "network_day": "day_id",
        "register_entry": "day_id",
        "development_day": "day_id",
        "participant": "day_id",
        "credit": "person_id",
    },
}
"""The tables that effects write, with the column that says whose a row is."""

_TABLE = """
CREATE TABLE witnessed (
    number      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transaction xid8   NOT NULL DEFAULT pg_current_xact_id(),
    name        text   NOT NULL,
    act         text   NOT NULL,
    owner       text   NOT NULL,
    was         bigint,
    becomes     bigint
);

CREATE FUNCTION witness_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO witnessed (name, act, owner)
    VALUES (TG_TABLE_NAME, TG_OP,
            CASE WHEN TG_OP = 'DELETE' THEN to_jsonb(OLD) ELSE to_jsonb(NEW) END ->> TG_ARGV[0]);
    RETURN NULL;
END $$;

CREATE FUNCTION witness_setting_aside() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO witnessed (name, act, owner)
    VALUES ('set_aside', TG_OP, NEW.topic || '/' || NEW.key);
    RETURN NULL;
END $$;

CREATE FUNCTION witness_inbox() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO witnessed (name, act, owner, was, becomes)
    VALUES ('inbox', TG_OP, NEW.topic || '/' || NEW.key,
            CASE WHEN TG_OP = 'UPDATE' THEN OLD.sequence ELSE 0 END, NEW.sequence);
    RETURN NULL;
END $$;

CREATE TRIGGER witness AFTER INSERT OR UPDATE ON inbox
   FOR EACH ROW EXECUTE FUNCTION witness_inbox();
CREATE TRIGGER witness AFTER INSERT ON set_aside
   FOR EACH ROW EXECUTE FUNCTION witness_setting_aside();
"""


async def attach_witness(url: str, service: str) -> None:
    """Put the triggers into a database that has its tables and no data yet."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(_TABLE)
        for table, owner in EFFECTS.get(service, {}).items():
            await connection.execute(
                f"CREATE TRIGGER witness AFTER INSERT OR UPDATE OR DELETE ON {table} "
                f"FOR EACH ROW EXECUTE FUNCTION witness_write('{owner}')"
            )
    finally:
        await connection.close()
