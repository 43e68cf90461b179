"""People over HTTP: posts, merging, erasure, and names in no event but their own."""

import asyncio

from tests.service.membership.office import Office, problem


async def test_a_person_is_introduced_with_a_post_and_leaves_it(office: Office) -> None:
    school = await office.school()
    person = await office.person(school)
    path = f"/people/{person['person_id']}"
    assert await office.look(path) == person
    post = person["posts"][0]
    left = await office.do(f"{path}/posts/{post['post_id']}/leave", {"left_on": "2026-12-31"})
    assert left["left_on"] == "2026-12-31"
    again = await office.say(
        "POST", f"{path}/posts/{post['post_id']}/leave", {"left_on": "2027-01-31"}
    )
    assert problem(again) == (409, "post-has-ended")
    types = await office.types(person["person_id"])
    assert types == ["PersonProfile", "LeaderAppointed", "LeaderLeft"]


async def test_names_and_addresses_stand_in_no_event_but_the_profile(office: Office) -> None:
    person = await office.person(await office.school())
    await office.say("PATCH", f"/people/{person['person_id']}", {"name": "Ada Newname"})
    rows = await office.pool.fetch("SELECT topic, type, payload FROM event")
    for each in rows:
        assert ("Ada" in (each["payload"] or "")) == (each["topic"] == "aspire.people")
    assert [each["topic"] for each in rows].count("aspire.people") == 2


async def test_the_same_post_twice_is_refused_even_at_once(office: Office) -> None:
    school, person = await office.school(), await office.person()
    body = {
        "school_id": school["school_id"],
        "role": "headteacher",
        "appointed_on": "2026-09-01",
    }
    path = f"/people/{person['person_id']}/posts"
    answers = await asyncio.gather(*(office.say("POST", path, body) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201, *[409] * 5]
    another = await office.say("POST", path, {**body, "role": "other"})
    assert another.status_code == 201


async def test_two_records_of_one_person_become_one(office: Office) -> None:
    school = await office.school()
    stays, goes = await office.person(school), await office.person(school, "A. Example")
    path = f"/people/{stays['person_id']}/merge"
    merged = await office.do(path, {"merged_person_id": goes["person_id"]})
    assert len(merged["posts"]) == 2
    assert (await office.look(f"/people?school_id={school['school_id']}"))["items"] == [merged]
    gone = await office.say("GET", f"/people/{goes['person_id']}")
    assert problem(gone) == (404, "not-found")
    assert stays["person_id"] in gone.json()["detail"]
    self_merge = await office.say("POST", path, {"merged_person_id": stays["person_id"]})
    assert problem(self_merge) == (422, "same-person")
    changed = await office.say("PATCH", f"/people/{goes['person_id']}", {"name": "B"})
    assert problem(changed) == (409, "person-is-merged")
    assert (await office.types(stays["person_id"]))[-1] == "PeopleMerged"
    assert await office.types(goes["person_id"]) == ["LeaderAppointed", "PersonProfileErased"]
    # The post that was made under the other record ends under it: that is its events' key.
    post = next(p for p in merged["posts"] if p["post_id"] == goes["posts"][0]["post_id"])
    leave = f"/people/{stays['person_id']}/posts/{post['post_id']}/leave"
    await office.do(leave, {"left_on": "2026-12-31"})
    assert (await office.types(goes["person_id"]))[-1] == "LeaderLeft"


async def test_erasing_a_person_deletes_every_copy_and_keeps_the_facts(office: Office) -> None:
    school = await office.school()
    body = {"name": "Ada Uniquename", "email": "unique@example.org"}
    created = await office.say("POST", "/people", body, key="ada")
    person = created.json()
    sent = body
    path = f"/people/{person['person_id']}"
    post = {"school_id": school["school_id"], "role": "other", "appointed_on": "2026-09-01"}
    await office.do(f"{path}/posts", post)
    other = await office.person(school, "Ada Uniquename-Double")
    await office.do(f"{path}/merge", {"merged_person_id": other["person_id"]})

    assert (await office.do(f"{path}/erasure"))["erased"]

    for table in ("event", "profile", "idempotency", "person", "outbox"):
        rows = await office.pool.fetch(f"SELECT {table}::text AS row FROM {table}")  # noqa: S608
        bodies = await office.pool.fetch(
            "SELECT convert_from(body, 'UTF8') AS row FROM idempotency"
        )
        text = str([each["row"] for each in (*rows, *bodies)])
        assert "niquename" not in text
        assert "unique@" not in text
    for each in (person, other):
        erased = (await office.types(each["person_id"]))[-2:]
        assert erased == ["PersonErased", "PersonProfileErased"]
    assert "LeaderAppointed" in await office.types(person["person_id"])
    for method, change in (("GET", None), ("PATCH", {"name": "Ada Again"})):
        assert problem(await office.say(method, path, change)) == (410, "person-is-erased")
    before = await office.types()
    await office.do(f"{path}/erasure")
    assert await office.types() == before, "erasing again says nothing new"
    again = await office.say("POST", "/people", sent, key="ada")
    assert problem(again) == (410, "answer-erased")
    assert (await office.look("/people"))["items"] == []


async def test_an_erasure_and_a_change_of_name_at_once_leave_no_name(office: Office) -> None:
    person = await office.person()
    path = f"/people/{person['person_id']}"
    changes = [office.say("PATCH", path, {"name": f"Ada {n}"}) for n in range(4)]
    await asyncio.gather(*changes, office.say("POST", f"{path}/erasure", {}))
    assert (await office.types(person["person_id"]))[-1] == "PersonProfileErased"
    assert await office.pool.fetchval("SELECT count(*) FROM profile") == 0
    assert "PersonProfile" not in await office.types(person["person_id"])


REFUSED_PROFILES: list[tuple[dict[str, str], str]] = [
    ({"name": "  "}, "name-refused"),
    ({"name": "Ada\nB"}, "name-refused"),
    ({"name": "Ada", "email": "nowhere"}, "email-refused"),
    ({"name": "Ada", "email": "a@b.org, c@d.org"}, "email-refused"),
    ({}, "request-not-valid"),
]


async def test_a_profile_that_cannot_be_is_refused(office: Office) -> None:
    for body, kind in REFUSED_PROFILES:
        assert problem(await office.say("POST", "/people", body)) == (422, kind)
    assert await office.types() == []


async def test_a_name_is_not_taken_away(office: Office) -> None:
    path = f"/people/{(await office.person())['person_id']}"
    for name in ("", None):
        assert problem(await office.say("PATCH", path, {"name": name})) == (422, "name-refused")
    without = await office.say("PATCH", path, {"email": None})
    assert (without.json()["name"], without.json()["email"]) == ("Ada Example", None)
