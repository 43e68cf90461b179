"""A database that may be older than what others know: no command is taken, and reads go on."""

from typing import Any

from tests.service.membership.office import Office, register, row

STOP = "INSERT INTO stop (part, reason) VALUES ('api', 'The topics hold 3 events that …')"


async def test_commands_are_refused_in_words_and_what_is_there_can_be_read(office: Office) -> None:
    network = await office.network("Solent")
    await office.pool.execute("UPDATE compared SET started_at = NULL")
    await office.pool.execute(STOP)
    body = {"name": "Wessex", "region": "South West", "established_on": "2026-01-01"}
    refused = await office.say("POST", "/networks", body)
    assert refused.status_code == 503
    assert refused.headers["Retry-After"] == "5"
    problem = refused.json()
    assert problem["type"].endswith("/no-commands-taken")
    assert problem["detail"].startswith("The topics hold 3 events that …")
    assert "same Idempotency-Key" in problem["detail"]
    assert (await office.look(f"/networks/{network['network_id']}"))["name"] == "Solent"
    assert len((await office.look("/networks"))["items"]) == 1


async def test_an_import_is_refused_and_nothing_of_it_goes_in(office: Office) -> None:
    await office.pool.execute("UPDATE compared SET started_at = NULL")
    refused = await office.imports(register([row(100001)]))
    assert "takes no commands" in refused.text
    assert await office.pool.fetchval("SELECT count(*) FROM school") == 0


async def test_readiness_says_it_and_the_replica_stays_for_those_who_read(office: Office) -> None:
    await office.pool.execute(STOP)

    async def api() -> Any:
        return (await office.client.get("/health/ready")).json()["parts"]["api"]

    told = await api()
    assert told["status"] == "degraded"
    assert told["detail"].startswith("takes no commands: The topics hold 3 events")
    await office.pool.execute("DELETE FROM stop")
    await office.pool.execute("UPDATE compared SET started_at = 'epoch'")
    assert "has not been compared" in (await api())["detail"]
