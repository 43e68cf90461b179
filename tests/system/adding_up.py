"""Adds up the figures of a year from the topics alone, by the definitions in the design.

It shares no code with the services: plain records, plain dictionaries, plain loops.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

TOPICS = ("aspire.membership", "aspire.scheduling", "aspire.cpd")
PRESENT = ("attended", "late")
SENIORITY = ("headteacher", "senior_leader", "middle_leader", "other")

Fact = tuple[str, str, int, dict[str, Any]]
"""Type without prefix and version, key, sequence, payload."""


async def facts(kafka: Mapping[str, Any], prefix: str = "") -> list[Fact]:
    """Every event on the topics, each once, each key in order; `kafka` are aiokafka's options."""
    consumer = AIOKafkaConsumer(**kafka, isolation_level="read_committed")
    await consumer.start()
    try:
        partitions = [
            TopicPartition(prefix + topic, number)
            for topic in TOPICS
            for number in await consumer_partitions(consumer, prefix + topic)
        ]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        found: dict[str, Fact] = {}
        while [p for p in partitions if await consumer.position(p) < ends[p]]:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    headers = dict(record.headers)
                    found[headers["ce_id"].decode()] = (
                        headers["ce_type"].decode().split(".")[3],
                        record.key.decode(),
                        int(headers["ce_sequence"]),
                        json.loads(record.value),
                    )
    finally:
        await consumer.stop()
    return sorted(found.values(), key=lambda fact: (fact[1], fact[2]))


async def consumer_partitions(consumer: AIOKafkaConsumer, topic: str) -> list[int]:
    await consumer._client._wait_on_metadata(topic)
    return sorted(consumer.partitions_for_topic(topic) or ())


def add_up(events: Iterable[Fact], first_day: str, last_day: str, today: str) -> dict[str, Any]:
    """The national figures, named as the report names them; ISO dates compare as text."""
    events = list(events)
    same = {
        data["merged_person_id"]: data["person_id"]
        for kind, _, _, data in events
        if kind == "PeopleMerged"
    }

    def person(who: str) -> str:
        while who in same:
            who = same[who]
        return who

    def within(day: str) -> bool:
        return first_day <= day <= last_day

    networks = _networks(events)
    until = min(last_day, today)
    standing = [
        network
        for network in networks.values()
        if network["established_on"] <= until
        and (network["closed_on"] is None or network["closed_on"] >= first_day)
    ]
    memberships = _memberships(events)
    members = {
        each["school_id"]
        for each in memberships.values()
        if each["joined_on"] <= last_day and each["end"] >= first_day
    }
    joined = {
        each["school_id"]: each["starting_point"]
        for each in memberships.values()
        if within(each["joined_on"])
    }
    days = _days(events)
    held = [day for day in days.values() if day["state"] == "held" and within(day["date"])]
    delivered = [
        day for day in days.values() if day["state"] == "delivered" and within(day["date"])
    ]
    register = Counter(entry["attendance"] for day in held for entry in day["register"].values())
    places = sum(register.values())
    return {
        "networks": len(standing),
        "newly_established": sum(within(each["established_on"]) for each in standing),
        "member_schools": len(members),
        "joined": len(joined),
        "starting_points": dict(
            Counter(f"{point['framework']}/{point['judgement']}" for point in joined.values())
        ),
        "leaders": _leaders(held, delivered, person),
        "network_days_held": len(held),
        "days_in_schools": len(delivered),
        "places": places,
        **{each: register[each] for each in ("attended", "late", "excused", "absent")},
        "rate": str(
            (Decimal(register["attended"] + register["late"]) / places).quantize(Decimal("0.0001"))
        )
        if places
        else None,
        "cpd_hours": _hours(events, within),
    }


def _networks(events: Iterable[Fact]) -> dict[str, dict[str, Any]]:
    networks: dict[str, dict[str, Any]] = {}
    for kind, key, _, data in events:
        if kind == "NetworkEstablished":
            networks[key] = {"established_on": data["established_on"], "closed_on": None}
        elif kind == "NetworkClosed":
            networks[key]["closed_on"] = data["closed_on"]
    return networks


def _memberships(events: Iterable[Fact]) -> dict[str, dict[str, Any]]:
    memberships: dict[str, dict[str, Any]] = {}
    for kind, _, _, data in events:
        if kind == "SchoolJoined":
            memberships[data["membership_id"]] = {**data, "end": data["ends_on"]}
        elif kind == "MembershipCorrected":
            known = memberships.pop(data["membership_id"])
            if not data["void"]:
                end = data["ends_on"] if known["end"] == known["ends_on"] else known["end"]
                memberships[data["membership_id"]] = {**known, **data, "end": end}
        elif kind == "SchoolLeft":
            memberships[data["membership_id"]]["end"] = data["left_on"]
        elif kind == "MembershipCompleted":
            memberships[data["membership_id"]]["end"] = data["completed_on"]
    return memberships


def _days(events: Iterable[Fact]) -> dict[str, dict[str, Any]]:
    days: dict[str, dict[str, Any]] = defaultdict(lambda: {"state": None, "register": {}})
    for kind, key, _, data in events:
        day = days[key] if kind.startswith(("NetworkDay", "Development", "Attendance")) else None
        if day is None:
            continue
        match kind:
            case "NetworkDayHeld":
                day |= {"state": "held", "date": data["date"]}
                day["register"] = {each["place_id"]: each for each in data["entries"]}
            case "NetworkDayReopened":
                day |= {"state": "scheduled", "register": {}}
            case "NetworkDayCancelled" | "DevelopmentDayCancelled":
                day["state"] = "cancelled"
            case "AttendanceCorrected":
                entry = day["register"][data["place_id"]]
                day["register"][data["place_id"]] = {**entry, "attendance": data["attendance"]}
            case "DevelopmentDayDelivered" | "DevelopmentDayCorrected":
                day |= {
                    "state": "delivered",
                    "date": data["date"],
                    "participants": data["participants"],
                }
    return days


def _leaders(
    held: Iterable[dict[str, Any]], delivered: Iterable[dict[str, Any]], person: Any
) -> dict[str, int]:
    """People, each once, by their role on the last of their days."""
    seen: dict[str, tuple[str, int, str]] = {}

    def note(who: str, date: str, role: str) -> None:
        mark = (date, -SENIORITY.index(role), role)
        seen[person(who)] = max(seen.get(person(who), mark), mark)

    for day in held:
        for entry in day["register"].values():
            if entry["attendance"] in PRESENT:
                note(entry["person_id"], day["date"], entry["role"])
    for day in delivered:
        for each in day["participants"]:
            note(each["person_id"], day["date"], each["role"])
    return dict(Counter(role for _, _, role in seen.values()))


def _hours(events: Iterable[Fact], within: Any) -> dict[str, str]:
    hours: dict[str, Decimal] = defaultdict(Decimal)
    for kind, _, _, data in events:
        if kind in ("CpdCredited", "CpdRevoked") and within(data["earned_on"]):
            sign = 1 if kind == "CpdCredited" else -1
            hours[data["strand"]] += sign * Decimal(data["hours"])
    return {strand: f"{each:.2f}" for strand, each in hours.items() if each}


def as_reported(report: dict[str, Any]) -> dict[str, Any]:
    """The same figures out of a report's JSON."""
    attendance = report["attendance"]
    return {
        "networks": report["networks"]["total"],
        "newly_established": report["networks"]["newly_established"],
        "member_schools": report["member_schools"]["total"],
        "joined": report["member_schools"]["joined"],
        "starting_points": {
            f"{framework}/{judgement}": count
            for framework, points in report["starting_points"].items()
            for judgement, count in points["by_judgement"].items()
            if count
        }
        | {
            f"{framework}/None": points["total"]
            for framework, points in report["starting_points"].items()
            if not points["by_judgement"] and points["total"]
        },
        "leaders": {role: n for role, n in report["leaders"]["by_role"].items() if n},
        "network_days_held": report["network_days"]["held"],
        "days_in_schools": report["days_in_schools"],
        **{each: attendance[each] for each in ("places", "attended", "late", "excused", "absent")},
        "rate": attendance["rate"],
        "cpd_hours": {
            strand: hours
            for strand, hours in report["cpd_hours"]["by_strand"].items()
            if hours != "0.00"
        },
    }
