"""A command is done once under its Idempotency-Key, wholly or not at all."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg

from shared.messaging.connections import acquire
from shared.web import erase_answers_about, forget_old_answers
from tests.service.web.things import Api, hooks


async def test_a_command_answers_and_wakes_the_relay(api: Api) -> None:
    response = await api.make("lamp")
    assert response.status_code == 201
    assert await api.names() == ["lamp"]
    assert len(api.woken) == 1


async def test_a_post_needs_a_key(api: Api) -> None:
    response = await api.client.post("/things", json={"name": "lamp"}, headers=api.token())
    assert response.status_code == 400
    assert response.json()["type"].endswith("/idempotency-key-needed")
    assert await api.names() == []


async def test_sent_again_it_is_answered_again_and_not_done_again(api: Api) -> None:
    first = await api.make("lamp", key="one")
    second = await api.make("lamp", key='"one"')
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert (second.status_code, second.content) == (first.status_code, first.content)
    assert second.headers["content-type"] == first.headers["content-type"]
    assert await api.names() == ["lamp"]


async def test_sent_twice_at_once_it_is_done_once(api: Api) -> None:
    answers = await asyncio.gather(*(api.make("lamp", key="one") for _ in range(5)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 4
    assert await api.names() == ["lamp"]


async def test_another_body_under_the_same_key_is_refused(api: Api) -> None:
    await api.make("lamp", key="one")
    response = await api.make("chair", key="one")
    assert response.status_code == 422
    assert response.json()["type"].endswith("/idempotency-key-reused")
    assert await api.names() == ["lamp"]


async def test_keys_of_different_people_do_not_meet(api: Api) -> None:
    await api.make("lamp", key="one")
    response = await api.make("lamp", key="one", **api.token(subject="bob"))
    assert "idempotency-replayed" not in response.headers
    assert await api.names() == ["lamp", "lamp"]


async def test_an_answer_is_not_given_to_who_may_see_something_else(api: Api) -> None:
    first = await api.make("lamp", key="one", **api.token("adviser", networks=[uuid4()]))
    for other in (api.token("adviser", networks=[uuid4()]), api.token("office")):
        response = await api.make("lamp", key="one", **other)
        assert "idempotency-replayed" not in response.headers
        assert response.json()["id"] != first.json()["id"]


async def test_a_path_that_no_route_can_have_is_refused(api: Api) -> None:
    sent = {**api.token(), "Idempotency-Key": "one"}
    response = await api.client.delete("/things/" + "x" * 6000, headers=sent)
    assert response.status_code == 414
    assert response.json()["type"].endswith("/path-too-long")


async def test_a_refused_command_leaves_nothing_and_may_be_tried_again(api: Api) -> None:
    assert (await api.make("taken", key="one")).status_code == 409
    assert await api.names() == []
    assert await api.pool.fetchval("SELECT count(*) FROM idempotency") == 0
    assert (await api.make("lamp", key="one")).status_code == 201


async def test_a_failed_command_leaves_nothing(api: Api) -> None:
    async def fail(connection: asyncpg.Connection) -> None:
        await connection.execute("SELECT 1 / 0")

    hooks["lamp"] = fail
    assert (await api.make("lamp", key="one")).status_code == 500
    del hooks["lamp"]
    assert (await api.make("lamp", key="one")).status_code == 201
    assert await api.names() == ["lamp"]


async def test_a_key_is_as_new_after_seven_days(api: Api) -> None:
    await api.make("lamp", key="one")
    api.clock.advance(timedelta(days=7))
    assert "idempotency-replayed" in (await api.make("lamp", key="one")).headers
    api.clock.advance(timedelta(seconds=1))
    assert "idempotency-replayed" not in (await api.make("lamp", key="one")).headers
    assert await api.names() == ["lamp", "lamp"]


async def test_old_answers_are_forgotten(api: Api) -> None:
    await api.make("lamp", key="old")
    api.clock.advance(timedelta(days=7, seconds=1))
    await api.make("chair", key="new")
    async with acquire(api.pool) as connection:
        assert await forget_old_answers(connection, api.clock.now()) == 1
    assert await api.pool.fetchval("SELECT key FROM idempotency") == "new"


async def test_answers_about_an_erased_person_are_erased(api: Api) -> None:
    thing = (await api.make("lamp", key="one")).json()
    await api.make("chair", key="two")
    async with acquire(api.pool) as connection:
        assert await erase_answers_about(connection, UUID(thing["id"]), uuid4()) == 1
    again = await api.make("lamp", key="one")
    assert (again.status_code, again.headers["idempotency-replayed"]) == (410, "true")
    assert again.json()["type"].endswith("/answer-erased")
    assert again.headers["content-type"] == "application/problem+json"
    assert thing["id"] not in again.text
    assert "idempotency-replayed" in (await api.make("chair", key="two")).headers
    assert await api.names() == ["chair", "lamp"], "it is not done again"


async def test_a_deadlocks_victim_tries_again(api: Api) -> None:
    await api.pool.execute("CREATE TABLE counter (id int PRIMARY KEY, count int NOT NULL)")
    await api.pool.execute("INSERT INTO counter VALUES (1, 0), (2, 0)")
    both_hold_one = asyncio.Barrier(2)
    runs: list[str] = []

    def count(name: str, first: int, second: int) -> None:
        async def hook(connection: asyncpg.Connection) -> None:
            statement = "UPDATE counter SET count = count + 1 WHERE id = $1"
            await connection.execute(statement, first)
            runs.append(name)
            if runs.count(name) == 1:
                await both_hold_one.wait()
            await connection.execute(statement, second)

        hooks[name] = hook

    count("lamp", 1, 2)
    count("chair", 2, 1)
    answers = await asyncio.gather(api.make("lamp"), api.make("chair"))
    assert [answer.status_code for answer in answers] == [201, 201]
    assert len(runs) == 3
    assert await api.names() == ["chair", "lamp"]
    assert await api.pool.fetchval("SELECT min(count) FROM counter") == 2


async def test_it_gives_up_after_three_attempts(api: Api) -> None:
    runs = 0

    async def never(connection: asyncpg.Connection) -> None:
        nonlocal runs
        runs += 1
        await connection.execute("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$")

    hooks["lamp"] = never
    response = await api.make("lamp")
    assert (response.status_code, runs) == (503, 3)
    assert await api.names() == []


async def test_a_lost_connection_is_no_fault_of_the_request(api: Api) -> None:
    async def cut(connection: asyncpg.Connection) -> None:
        own = await connection.fetchval("SELECT pg_backend_pid()")
        async with acquire(api.pool) as other:
            await other.execute("SELECT pg_terminate_backend($1)", own)
        await connection.fetchval("SELECT 1")

    hooks["lamp"] = cut
    assert (await api.make("lamp", key="one")).status_code == 503
    del hooks["lamp"]
    assert (await api.make("lamp", key="one")).status_code == 201
    assert await api.names() == ["lamp"]


async def test_a_delete_needs_no_key_and_obeys_one(api: Api) -> None:
    thing = (await api.make("lamp")).json()["id"]
    sent = {**api.token(), "Idempotency-Key": "gone"}
    assert (await api.client.delete(f"/things/{thing}", headers=sent)).status_code == 204
    again = await api.client.delete(f"/things/{thing}", headers=sent)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (204, "true")
    unknown = await api.client.delete(f"/things/{uuid4()}", headers=api.token())
    assert unknown.status_code == 404
