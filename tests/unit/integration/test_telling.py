"""What of each event is told: to a school, a group, a person or the schools of a day."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from deploy.docs.samples import named, sample
from services.integration.domain.telling import (
    NOT_TOLD,
    TOLD,
    Audience,
    Cut,
    ExternalIds,
    Told,
    envelope,
    slices,
)
from services.integration.effects import effects
from shared.events import EVENT_TYPES, Event, Received, cpd, membership, scheduling
from shared.events.vocabulary import Attendance, Role

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


def received(event: Event, sequence: int = 3) -> Received[Any]:
    return Received(
        id=named("an event"), topic=event.topic.name, key=event.key, sequence=sequence, time=NOW,
        data=event, partition=0, offset=0, traceparent="00-trace",
    )  # fmt: skip


def test_every_published_type_is_told_or_named_as_not_told() -> None:
    assert set(TOLD) | NOT_TOLD == set(EVENT_TYPES.values())
    assert set(TOLD) & NOT_TOLD == set()


def test_every_type_that_is_told_has_an_effect() -> None:
    assert {event.type for event in TOLD} <= effects.types


@pytest.mark.parametrize("event", TOLD, ids=lambda event: event.__name__)
def test_nothing_that_is_told_names_a_person(event: type[Event]) -> None:
    text = set(event.model_json_schema()["properties"]) & {"name", "email", "trn", "born_on"}
    assert not text or event in (membership.GroupRegistered, membership.GroupRenamed)


@pytest.mark.parametrize("event", TOLD, ids=lambda event: event.__name__)
def test_a_slice_is_of_one_audience_and_keeps_what_the_event_is(event: type[Event]) -> None:
    [found] = slices(received(sample(event)))
    own = Audience.SCHOOL if "school_id" in event.model_fields else None
    expected = {
        Cut.GROUP: Audience.GROUP, Cut.PERSON: Audience.PERSON, Cut.DAY: Audience.DAY,
        Cut.REGISTER: Audience.SCHOOL, Cut.TRUST: Audience.GROUP,
    }.get(TOLD[event], own)  # fmt: skip
    assert found.audience is expected
    named_by = "trust" if TOLD[event] is Cut.TRUST else found.audience
    assert found.audience_id == named(f"{named_by}_id")
    assert (found.type, found.subject) == (event.type, sample(event).key)
    assert (found.sequence, found.time) == ("000000000003", NOW)
    assert found.stream == f"{event.topic.service}/{found.subject}"
    assert found.event_id == named("an event")
    assert found.traceparent == "00-trace"
    assert found.data == sample(event).model_dump(mode="json")
    assert (found.id == found.event_id) == (TOLD[event] is not Cut.REGISTER)
    assert (found.day_id is not None) == (TOLD[event] in (Cut.PLACE, Cut.REGISTER))


def entry(person: str, school: str) -> scheduling.RegisterEntry:
    return scheduling.RegisterEntry(
        place_id=named(f"place of {person}"), person_id=named(person), school_id=named(school),
        role=Role.OTHER, attendance=Attendance.ATTENDED,
    )  # fmt: skip


def test_a_register_is_cut_into_each_schools_entries() -> None:
    entries = (entry("Zoë", "Ash"), entry("Yan", "Birch"), entry("Xia", "Ash"))
    held = sample(scheduling.NetworkDayHeld, entries=entries)
    found = list(slices(received(held)))
    people = {
        each.audience_id: [UUID(of["person_id"]) for of in each.data["entries"]] for each in found
    }
    assert people == {
        named("Ash"): [named("Zoë"), named("Xia")],
        named("Birch"): [named("Yan")],
    }
    assert len({each.id for each in found} | {named("an event")}) == 3
    assert [each.id for each in slices(received(held))] == [each.id for each in found]


def test_a_credit_without_a_school_is_the_persons() -> None:
    [found] = slices(received(sample(cpd.CpdCredited, school_id=None)))
    assert (found.audience, found.audience_id) == (Audience.PERSON, named("person_id"))
    assert not found.formerly


@pytest.mark.parametrize("event", [membership.PeopleMerged, membership.PersonErased])
def test_merging_and_erasing_are_told_to_those_who_had_the_person(event: type[Event]) -> None:
    [found] = slices(received(sample(event)))
    assert found.formerly


def told(data: dict[str, Any], traceparent: str | None = None) -> Told:
    return Told(
        position=7, id=named("an event"), type="uk.aspire.cpd.CpdCredited.v1",
        source="/aspire/cpd", subject="P", sequence="000000000003", time=NOW, stream="cpd/P",
        data=data, traceparent=traceparent,
    )  # fmt: skip


def test_the_envelope_is_a_cloudevent_to_the_official_sdk() -> None:
    whole = envelope(told({"person_id": "P"}, "00-trace"), ExternalIds())
    read = JSONFormat().read(CloudEvent, json.dumps(whole).encode())
    assert read.get_id() == str(named("an event"))
    assert read.get_time() == NOW
    assert read.get_extension("partitionkey") == "cpd/P"
    assert read.get_extension("sequence") == "000000000003"
    assert read.get_extension("traceparent") == "00-trace"
    assert "traceparent" not in envelope(told({}), ExternalIds())


def test_the_envelope_has_the_trusts_own_ids_of_whom_it_is_about() -> None:
    called = ExternalIds(people={"P": ["E1", "E2"], "Q": ["E3"], "R": ["E4"]}, schools={"S": ["7"]})
    data = {"person_id": "P", "school_id": "S", "entries": [{"person_id": "Q"}, {"person_id": "U"}]}
    found = envelope(told(data), called)["data"]
    people = {"P": ["E1", "E2"], "Q": ["E3"]}
    assert found["external_ids"] == {"people": people, "schools": {"S": ["7"]}}
    assert {name: found[name] for name in data} == data
