"""Networks, memberships and groups over HTTP: answers, and the events in the journal."""

import asyncio

from tests.service.membership.office import GOOD, JOINED_ON, Json, Office, problem


async def test_a_network_is_established_renamed_and_closed(office: Office) -> None:
    network = await office.network("  Solent   schools ")
    path = f"/networks/{network['network_id']}"
    assert network["name"] == "Solent schools"
    renamed = await office.say("PATCH", path, {"name": "Solent"})
    assert renamed.json()["name"] == "Solent"
    await office.say("PATCH", path, {"name": "Solent"})
    closed = await office.do(f"{path}/closure", {"closed_on": "2026-08-31"})
    assert closed["closed_on"] == "2026-08-31"
    assert await office.look(path) == closed
    types = await office.types(network["network_id"])
    assert types == ["NetworkEstablished", "NetworkRenamed", "NetworkClosed"]


async def test_a_network_with_member_schools_cannot_be_closed(office: Office) -> None:
    membership = await office.member()
    path = f"/networks/{membership['network_id']}/closure"
    answer = await office.say("POST", path, {"closed_on": "2026-12-31"})
    assert problem(answer) == (409, "network-has-members")


async def test_a_network_closes_on_the_last_day_of_its_last_school(office: Office) -> None:
    membership = await office.member()
    leave = {"left_on": "2026-12-31", "reason": "other"}
    await office.do(f"/memberships/{membership['membership_id']}/leave", leave)
    path = f"/networks/{membership['network_id']}/closure"
    early = await office.say("POST", path, {"closed_on": "2026-12-30"})
    assert problem(early) == (409, "network-has-members")
    await office.do(path, {"closed_on": "2026-12-31"})


async def test_a_mistyped_year_is_refused_wherever_a_date_is_given(office: Office) -> None:
    network, person, school = await office.network(), await office.person(), await office.school()
    anybody = {"person_id": person["person_id"], "assigned_on": "2206-09-01"}
    post = {"school_id": school["school_id"], "role": "other", "appointed_on": "0206-09-01"}
    for path, body in (
        ("/networks", {"name": "Old", "region": "South East", "established_on": "1026-09-01"}),
        (f"/networks/{network['network_id']}/closure", {"closed_on": "9999-12-31"}),
        (f"/networks/{network['network_id']}/advisers", anybody),
        (f"/people/{person['person_id']}/posts", post),
        (f"/schools/{school['school_id']}/closure", {"closed_on": "2206-08-31"}),
    ):
        refused = await office.say("POST", path, body)
        assert problem(refused) == (422, "request-not-valid"), path
        assert "cannot be meant" in refused.json()["errors"][0]["detail"]


async def test_an_adviser_of_two_records_is_one(office: Office) -> None:
    network, stays, goes = await office.network(), await office.person(), await office.person()
    path = f"/networks/{network['network_id']}/advisers"
    body = {"person_id": goes["person_id"], "assigned_on": "2026-09-01"}
    await office.do(path, body)
    merged = {"merged_person_id": goes["person_id"]}
    await office.do(f"/people/{stays['person_id']}/merge", merged)
    again = await office.say("POST", path, {**body, "person_id": stays["person_id"]})
    assert problem(again) == (409, "adviser-already-assigned")
    ending = {"unassigned_on": "2026-12-01"}
    ended = await office.do(f"{path}/{stays['person_id']}/unassignment", ending)
    assert ended["advisers"][0]["unassigned_on"] == "2026-12-01"
    name, payload = (await office.events(network["network_id"]))[-1]
    assert name == "AdviserUnassigned"
    assert payload is not None
    assert payload["person_id"] == goes["person_id"], "the record that it was made under"
    operations = office.token("operations")
    for found in (
        await office.look(f"/networks/{network['network_id']}", token=operations),
        (await office.look("/networks", token=operations))["items"][0],
    ):
        assert found["advisers"] == []


async def test_an_adviser_is_assigned_once_and_unassigned(office: Office) -> None:
    network, person = await office.network(), await office.person()
    path = f"/networks/{network['network_id']}/advisers"
    body = {"person_id": person["person_id"], "assigned_on": "2026-09-01"}
    assert (await office.do(path, body))["advisers"][0]["person_id"] == person["person_id"]
    assert problem(await office.say("POST", path, body)) == (409, "adviser-already-assigned")
    path += f"/{person['person_id']}/unassignment"
    ended = await office.do(path, {"unassigned_on": "2026-12-01"})
    assert ended["advisers"][0]["unassigned_on"] == "2026-12-01"
    again = await office.say("POST", path, {"unassigned_on": "2026-12-01"})
    assert problem(again) == (409, "adviser-not-assigned")
    types = await office.types(network["network_id"])
    assert types == ["NetworkEstablished", "AdviserAssigned", "AdviserUnassigned"]


async def test_a_school_joins_for_three_years_with_its_starting_point(office: Office) -> None:
    school, network = await office.school(), await office.network()
    answer = await office.join(school, network, school_id=None, urn=school["urn"])
    assert answer.status_code == 201
    membership = answer.json()
    assert (membership["status"], membership["ends_on"]) == ("active", "2029-08-31")
    assert membership["starting_point"] == GOOD
    assert await office.look(f"/memberships/{membership['membership_id']}") == membership
    name, payload = (await office.events(school["school_id"]))[-1]
    assert name == "SchoolJoined"
    assert payload is not None
    assert payload["network_id"] == network["network_id"]
    assert payload["starting_point"] == GOOD


REFUSED_JOININGS: list[tuple[Json, tuple[int, str]]] = [
    ({"joined_on": "2025-12-31"}, (422, "network-dates-refused")),
    ({"pathway": "connect"}, (422, "group-needed")),
    ({"urn": 100001}, (422, "request-not-valid")),
    ({"school_id": None, "urn": 99999999999}, (422, "request-not-valid")),
    ({"joined_on": "9998-01-01"}, (422, "request-not-valid")),
    ({"joined_on": "9997-02-28"}, (422, "request-not-valid")),
    ({"school_id": None}, (422, "request-not-valid")),
    ({"school_id": None, "urn": 999999}, (404, "not-found")),
    ({"network_id": "00000000-0000-0000-0000-000000000000"}, (404, "not-found")),
    ({"group_id": "00000000-0000-0000-0000-000000000000"}, (404, "not-found")),
    (
        {"starting_point": {"framework": "report_card", "judgement": "good"}},
        (422, "request-not-valid"),
    ),
    ({"starting_point": {**GOOD, "inspected_on": "2025-05-10"}}, (422, "inspection-refused")),
    ({"starting_point": {**GOOD, "inspected_on": 1746835200}}, (422, "request-not-valid")),
    ({"starting_point": {**GOOD, "inspection": "2025-05-10"}}, (422, "request-not-valid")),
]


async def test_a_joining_that_does_not_fit_is_refused(office: Office) -> None:
    school, network = await office.school(), await office.network()
    for changes, expected in REFUSED_JOININGS:
        assert problem(await office.join(school, network, **changes)) == expected, changes
    assert await office.types(school["school_id"]) == ["SchoolRegistered"]


async def test_a_closed_school_cannot_join(office: Office) -> None:
    school, network = await office.school(), await office.network()
    path = f"/schools/{school['school_id']}/closure"
    await office.do(path, {"closed_on": "2026-08-31"})
    assert problem(await office.join(school, network)) == (409, "school-is-closed")


async def test_a_school_joins_once_at_a_time(office: Office) -> None:
    school, network = await office.school(), await office.network()
    membership = (await office.join(school, network)).json()
    assert problem(await office.join(school, network)) == (409, "school-already-member")
    path = f"/memberships/{membership['membership_id']}/leave"
    await office.do(path, {"left_on": "2027-03-31", "reason": "funding"})
    overlapping = await office.join(school, network, joined_on="2027-03-31")
    assert problem(overlapping) == (409, "school-already-member")
    assert (await office.join(school, network, joined_on="2027-04-01")).status_code == 201


async def test_of_many_who_have_a_school_join_at_once_one_succeeds(office: Office) -> None:
    school, network = await office.school(), await office.network()
    answers = await asyncio.gather(*(office.join(school, network) for _ in range(12)))
    assert sorted(answer.status_code for answer in answers) == [201, *[409] * 11]
    refused = {problem(answer)[1] for answer in answers if answer.status_code == 409}
    assert refused == {"school-already-member"}
    assert (await office.types(school["school_id"])).count("SchoolJoined") == 1


async def test_a_network_closes_or_a_school_joins_but_not_both(office: Office) -> None:
    await office.imports(b"URN,EstablishmentName\n" + b"".join(
        b"%d,School\n" % urn for urn in range(100001, 100007)
    ))  # fmt: skip
    schools = (await office.look("/schools"))["items"]
    network = await office.network()
    path = f"/networks/{network['network_id']}"
    closing = office.say("POST", f"{path}/closure", {"closed_on": "2026-12-31"})
    closed, *joined = await asyncio.gather(
        closing, *(office.join(school, network) for school in schools)
    )
    members = (await office.look(f"/memberships?network_id={network['network_id']}"))["items"]
    assert len(members) == sum(answer.status_code == 201 for answer in joined)
    assert (closed.status_code == 200) == (members == [])


async def test_a_membership_moves_pauses_resumes_and_is_completed(office: Office) -> None:
    membership = await office.member()
    other = await office.network("Wessex")
    path = f"/memberships/{membership['membership_id']}"
    moved = await office.do(
        f"{path}/move", {"network_id": other["network_id"], "moved_on": "2027-01-04"}
    )
    assert moved["network_id"] == other["network_id"]
    assert (await office.do(f"{path}/pause", {"paused_on": "2027-02-01"}))["status"] == "paused"
    early = await office.say("POST", f"{path}/resume", {"resumed_on": "2027-01-31"})
    assert problem(early) == (422, "membership-dates-refused")
    assert (await office.do(f"{path}/resume", {"resumed_on": "2027-03-01"}))["status"] == "active"
    done = await office.do(f"{path}/completion", {"completed_on": "2029-08-31"})
    assert (done["status"], done["ended_on"]) == ("completed", "2029-08-31")
    late = await office.say("POST", f"{path}/leave", {"left_on": "2029-09-01", "reason": "other"})
    assert problem(late) == (409, "membership-has-ended")
    assert (await office.types(membership["school_id"]))[2:] == [
        "SchoolMovedNetwork", "MembershipPaused", "MembershipResumed", "MembershipCompleted",
    ]  # fmt: skip


async def test_a_correction_says_what_was_wrong_and_how_it_should_be(office: Office) -> None:
    membership = await office.member()
    path = f"/memberships/{membership['membership_id']}/correction"
    corrected = await office.do(path, {"wrong": ["joined_on"], "joined_on": "2026-10-01"})
    assert (corrected["joined_on"], corrected["ends_on"]) == ("2026-10-01", "2029-09-30")
    name, payload = (await office.events(membership["school_id"]))[-1]
    assert name == "MembershipCorrected"
    assert payload is not None
    assert payload["wrong"] == ["joined_on"]
    assert payload["network_id"] == membership["network_id"]
    unnamed = await office.say("POST", path, {"wrong": ["pathway"], "joined_on": "2026-10-01"})
    assert problem(unnamed) == (422, "request-not-valid")


async def test_a_void_membership_leaves_the_school_free_to_join(office: Office) -> None:
    school, network = await office.school(), await office.network()
    membership = (await office.join(school, network)).json()
    path = f"/memberships/{membership['membership_id']}/correction"
    assert (await office.do(path, {"wrong": ["void"], "void": True}))["void"]
    assert (await office.join(school, network)).status_code == 201


async def test_a_school_joins_on_connect_with_a_group_that_it_is_in(office: Office) -> None:
    school, network = await office.school(), await office.network()
    group = await office.do("/groups", {"name": "Harbour Trust", "kind": "trust"})
    path = f"/groups/{group['group_id']}"
    connect = {"pathway": "connect", "group_id": group["group_id"]}
    answer = await office.join(school, network, **connect)
    assert problem(answer) == (409, "school-not-in-group")
    body = {"school_id": school["school_id"], "joined_on": "2024-01-01"}
    await office.do(f"{path}/schools", body)
    assert problem(await office.say("POST", f"{path}/schools", body)) == (
        409,
        "school-already-in-group",
    )
    assert (await office.join(school, network, **connect)).json()["pathway"] == "connect"
    left = await office.do(f"{path}/schools/{school['school_id']}/leave", {"left_on": "2027-01-01"})
    assert left["schools"][0]["left_on"] == "2027-01-01"
    await office.say("PATCH", path, {"name": "Harbour Schools Trust"})
    assert await office.types(group["group_id"]) == [
        "GroupRegistered", "SchoolJoinedGroup", "SchoolLeftGroup", "GroupRenamed",
    ]  # fmt: skip


async def test_a_new_urn_names_one_school_only(office: Office) -> None:
    first, second = await office.school(100001), await office.school(100002)
    path = f"/schools/{first['school_id']}/urn-changes"
    changed = await office.do(path, {"new_urn": 148213, "changed_on": "2026-10-01"})
    assert [each["urn"] for each in changed["urns"]] == [100001, 148213]
    path = f"/schools/{second['school_id']}/urn-changes"
    for urn in (148213, 100001):
        taken = await office.say("POST", path, {"new_urn": urn, "changed_on": "2026-10-01"})
        assert problem(taken) == (409, "urn-taken")
    wrong = await office.say("POST", path, {"new_urn": 12, "changed_on": "2026-10-01"})
    assert problem(wrong) == (422, "urn-refused")
    assert (await office.types(first["school_id"]))[1:] == ["SchoolUrnChanged"]


async def test_an_inspection_is_recorded_once(office: Office) -> None:
    school = await office.school()
    path = f"/schools/{school['school_id']}/inspections"
    body = {
        "framework": "report_card",
        "judgement": "strong_standard",
        "inspected_on": "2026-03-10",
    }
    assert await office.do(path, body) == body
    assert problem(await office.say("POST", path, body)) == (409, "inspection-already-recorded")
    mixed = await office.say("POST", path, {**body, "judgement": "good"})
    assert problem(mixed) == (422, "request-not-valid")
    assert (await office.look(f"/schools/{school['school_id']}"))["inspections"] == [body]
    assert (await office.types(school["school_id"]))[1:] == ["InspectionRecorded"]


async def test_lists_come_in_pages_that_hold_everything_once(office: Office) -> None:
    for number in range(7):
        await office.network(f"Network {number}")
    seen, path = [], "/networks?limit=3"
    while path:
        page = await office.look(path)
        seen += [each["name"] for each in page["items"]]
        path = page["next"] and f"/networks?limit=3&cursor={page['next']}"
    assert sorted(seen) == [f"Network {number}" for number in range(7)]


async def test_the_dates_of_a_joining_are_kept(office: Office) -> None:
    await office.member()
    found = (await office.look("/memberships?status=active"))["items"]
    assert [each["joined_on"] for each in found] == [JOINED_ON]
