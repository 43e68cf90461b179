"""Each command against the journals: done once, done in full, or not done at all."""

import json
import re
from collections import defaultdict
from collections.abc import Sequence

from tests.chaos.checker.evidence import Evidence, Fact
from tests.chaos.checker.findings import Check
from tests.chaos.ledger import Command, Outcome

EVENTS = {
    "import": "(SchoolRegistered )+",
    "refresh": "(SchoolDetailsChanged )*",
    "establish": "NetworkEstablished ",
    "rename": "NetworkRenamed ",
    "introduce adviser": "PersonProfile ",
    "assign": "AdviserAssigned ",
    "join": "SchoolJoined ",
    "move": "SchoolMovedNetwork ",
    "pause": "MembershipPaused ",
    "resume": "MembershipResumed ",
    "inspect": "InspectionRecorded ",
    "introduce": "PersonProfile LeaderAppointed ",
    "call": "PersonProfile ",
    "appoint": "LeaderAppointed ",
    "leave post": "LeaderLeft ",
    "merge": "PeopleMerged PersonProfileErased ",
    "erase": "(PersonErased PersonProfileErased )+",
    "schedule": "NetworkDayScheduled ",
    "book": "(PlaceBooked|PlaceWaitlisted) ",
    "release": "PlaceReleased (PlaceBooked )?",
    "reschedule": "NetworkDayRescheduled (PlaceBooked )*",
    "hold": "NetworkDayHeld ",
    "reopen": "NetworkDayReopened ",
    "correct": "AttendanceCorrected ",
    "cancel": "NetworkDayCancelled ",
    "plan": "DevelopmentDayPlanned ",
    "deliver": "DevelopmentDayDelivered ",
    "correct visit": "DevelopmentDayCorrected ",
    "cancel visit": "DevelopmentDayCancelled ",
    "enter": "CpdCredited ",
    "revoke": "CpdRevoked ",
}
"""Kind → the types of the events that it has to make, in their order."""

THINGS = {
    "establish": "network_id",
    "introduce adviser": "person_id",
    "join": "membership_id",
    "introduce": "person_id",
    "appoint": "post_id",
    "schedule": "day_id",
    "book": "place_id",
    "plan": "day_id",
    "enter": "credit_id",
}
"""Kind → the id that its answer gives to the new thing, which its first event is about."""


def checks(evidence: Evidence, ledger: Sequence[Command]) -> list[Check]:
    """Commands against the journal, and against the answers that are kept."""
    made: dict[str, list[Fact]] = defaultdict(list)
    for journal in evidence.journals.values():
        for fact in journal:
            made[fact.actor].append(fact)
    erased = {
        fact.key for fact in evidence.journals["membership"] if fact.type == "PersonProfileErased"
    }
    done = Check("an acknowledged command has exactly one effect, a refused one none")
    half = Check("an unanswered command has all of its effects or none")
    kept = Check("the answer is kept, and is the one that was given")
    for command in ledger:
        facts = made.pop(command.subject, [])
        _check_events(half if command.outcome is Outcome.UNKNOWN else done,
                      command, facts, evidence, erased)  # fmt: skip
        _check_answer(kept, command, facts, evidence)
    for actor, facts in made.items():
        if not actor.startswith("service:"):
            done.doubled(f"events of {actor}, which nobody sent: {facts[0]}")
    return [done, half, kept]


def _check_events(
    check: Check, command: Command, facts: list[Fact], evidence: Evidence, erased: set[str]
) -> None:
    check.looked_at += 1
    types = "".join(f"{fact.type} " for fact in facts)
    what = f"{command.subject} ({command.kind} {command.path}, {command.outcome}): [{types}]"
    if command.outcome is Outcome.REFUSED:
        if facts:
            check.doubled(f"refused, and yet done: {what}")
        return
    if not facts and command.outcome is Outcome.UNKNOWN:
        return
    wanted = EVENTS[command.kind]
    if re.fullmatch(wanted, types):
        _check_thing(check, command, facts[0], what)
    elif _is_excused(command, types, evidence, erased):
        return
    elif re.match(f"({wanted}){{2}}", types):
        check.doubled(what)
    elif facts:
        check.wrong(what)
    else:
        check.lost(what)


def _check_thing(check: Check, command: Command, first: Fact, what: str) -> None:
    """The thing that the client was told of is the one that the event is about."""
    name = THINGS.get(command.kind)
    if name is None or command.outcome is not Outcome.ACKNOWLEDGED:
        return
    if first.data[name] != command.answer[name]:
        check.wrong(f"{what}: the answer says {name} {command.answer[name]}, the event {first}")


def _is_excused(command: Command, types: str, evidence: Evidence, erased: set[str]) -> bool:
    """Whether less than usual is right: a profile was erased since, or nothing was to correct."""
    if command.kind == "correct" and not types:
        place = command.path.split("/")[4]
        return command.body["attendance"] in _marks(evidence, place)
    if command.kind == "merge":  # an erasure of the one who stays has a tombstone of its own
        return types == "PeopleMerged " and command.body["merged_person_id"] in erased
    mentioned = command.path + json.dumps(command.answer, default=str)
    forgotten = any(person in mentioned for person in erased)
    kept = EVENTS[command.kind].replace("PersonProfile ", "")
    return forgotten and kept != EVENTS[command.kind] and types == kept


def _marks(evidence: Evidence, place: str) -> set[str]:
    """What the registers said of a place."""
    return {
        entry["attendance"]
        for fact in evidence.journals["scheduling"]
        if fact.type == "NetworkDayHeld"
        for entry in fact.data["entries"]
        if entry["place_id"] == place
    }


def _check_answer(check: Check, command: Command, facts: list[Fact], evidence: Evidence) -> None:
    if command.path == "/register-imports":  # its events and its answer are two transactions
        return
    check.looked_at += 1
    status, body = evidence.answers.get(command.key, (None, None))
    if command.outcome is not Outcome.ACKNOWLEDGED:
        if (status is None) == bool(facts) and status != 410:
            check.wrong(f"{command.subject}: stored answer {status}, {len(facts)} events")
        return
    if status is None:
        check.lost(f"{command.subject} ({command.kind}): no answer is kept")
    elif status != 410 and (status != command.status or json.loads(body or b"") != command.answer):
        check.wrong(f"{command.subject}: answered {command.status}, kept {status}")
