"""Each consumer against the streams that it follows, by what the witness saw it write."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.chaos.checker.evidence import READS, TOPICS, Evidence, Fact
from tests.chaos.checker.findings import Check

KERNEL = ("inbox", "set_aside")


def checks(evidence: Evidence) -> list[Check]:
    """Heads, the way to them, effects by number and by transaction, and what is left over."""
    return [
        _heads(evidence),
        _ways(evidence),
        _effects(evidence),
        _transactions(evidence),
        _leftovers(evidence),
    ]


def behind(evidence: Evidence) -> list[str]:
    """Streams that a consumer has not followed to their ends, and outboxes that are not empty."""
    return [words for _, words in _heads(evidence).findings] + [
        f"{service} has {count} events to send"
        for (service, table), count in evidence.leftovers.items()
        if table == "outbox" and count
    ]


def _heads(evidence: Evidence) -> Check:
    check = Check("every consumer has come to the end of every stream")
    ids = {
        (fact.of, fact.sequence): fact.id for facts in evidence.journals.values() for fact in facts
    }
    for service, topics in READS.items():
        inbox = evidence.inboxes[service]
        for key, head in evidence.streams.items():
            if key[0] not in topics:
                continue
            check.looked_at += 1
            sequence, last_id = inbox.get(key, (0, ""))
            if sequence < head:
                check.lost(f"{service} is at {sequence} of {head} in {key}")
            elif sequence > head or last_id != ids.get((key, head)):
                check.wrong(f"{service} is at {sequence} ({last_id}) of {head} in {key}")
        for key in inbox.keys() - evidence.streams.keys():
            check.wrong(f"{service} has taken {key}, which nobody wrote")
    return check


def _ways(evidence: Evidence) -> Check:
    """Each move of an inbox row begins where the one before it ended.

    It does not get on where an event is set aside, which came before one that it follows: while
    partitions are added, that is nobody's fault.
    """
    check = Check("every event took effect once, and after those before it in its key")
    for service in READS:
        at: dict[str, int] = defaultdict(int)
        aside = {
            (write.transaction, write.owner)
            for write in evidence.writes[service]
            if write.table == "set_aside"
        }
        for write in evidence.writes[service]:
            if write.table != "inbox":
                continue
            check.looked_at += 1
            assert write.becomes is not None
            where = f"{service}, {write.owner}: {write.was} → {write.becomes} at {at[write.owner]}"
            if write.was != at[write.owner] or write.becomes < at[write.owner]:
                check.disordered(where)
            elif write.becomes == at[write.owner] and (write.transaction, write.owner) not in aside:
                check.doubled(f"taken again, or parked: {where}")
            at[write.owner] = write.becomes
    return check


def _effects(evidence: Evidence) -> Check:
    """Rows inserted or updated, for each table and owner, as the events demand."""
    check = Check("every effect wrote its rows once")
    for service, topics in READS.items():
        wanted: Counter[tuple[str, str]] = Counter()
        for journal in evidence.journals.values():
            for fact in journal:
                if fact.topic in topics or TOPICS[fact.topic] == service:
                    wanted.update(_EFFECTS[service](fact))
        seen = Counter(
            (write.table, write.owner)
            for write in evidence.writes[service]
            if write.table not in KERNEL and write.act != "DELETE"
        )
        for table, owner in wanted.keys() | seen.keys():
            check.looked_at += 1
            number, of = seen[table, owner], wanted[table, owner]
            words = f"{service}: {number} writes of {of} into {table} for {owner}"
            if number < of:
                check.lost(words)
            elif number > of:
                check.doubled(words)
    return check


def _transactions(evidence: Evidence) -> Check:
    check = Check("effects are in the transaction that moves the inbox")
    for service in READS:
        moved = {w.transaction for w in evidence.writes[service] if w.table == "inbox"}
        for write in evidence.writes[service]:
            check.looked_at += 1
            if write.transaction not in moved:
                check.wrong(f"{service} wrote {write.table} of {write.owner} apart from the inbox")
    return check


def _leftovers(evidence: Evidence) -> Check:
    check = Check("nothing is unsent, parked, set aside, stopped or discarded")
    for (service, table), count in evidence.leftovers.items():
        check.looked_at += 1
        if count:
            check.wrong(f"{service} has {count} rows in {table}")
    return check


Rows = Iterator[tuple[str, str]]


def _in_scheduling(fact: Fact) -> Rows:
    tables = {
        "NetworkEstablished": "network",
        "NetworkRenamed": "network",
        "AdviserAssigned": "adviser_change",
        "SchoolRegistered": "school",
        "SchoolDetailsChanged": "school",
        "SchoolJoined": "school_membership",
        "LeaderAppointed": "post",
        "LeaderLeft": "post_left",
        "PeopleMerged": "person_merge",
        "PersonErased": "erased_person",
    }
    if table := tables.get(fact.type):
        yield table, fact.key
    elif fact.type == "SchoolMovedNetwork":
        yield "membership_move", fact.data["membership_id"]
    elif fact.type in ("MembershipPaused", "MembershipResumed"):
        yield "membership_pause", fact.data["membership_id"]


def _in_cpd(fact: Fact) -> Rows:
    """Credits by the events that they were said with, which the same effects made."""
    tables = {
        "LeaderAppointed": "post",
        "LeaderLeft": "post_left",
        "PeopleMerged": "person_merge",
    }
    if table := tables.get(fact.type):
        yield table, fact.key
    elif fact.topic == "aspire.cpd" and fact.data["source"] != "own_record":
        yield "credit", fact.data["source_id"]


def _in_reporting(fact: Fact) -> Rows:
    tables = {
        "NetworkEstablished": "network",
        "NetworkRenamed": "network",
        "SchoolRegistered": "school",
        "SchoolDetailsChanged": "school",
        "SchoolJoined": "membership",
        "SchoolMovedNetwork": "membership_move",
        "PeopleMerged": "person_merge",
        "NetworkDayScheduled": "network_day",
        "NetworkDayRescheduled": "network_day",
        "NetworkDayCancelled": "network_day",
        "NetworkDayHeld": "network_day",
        "NetworkDayReopened": "network_day",
        "AttendanceCorrected": "register_entry",
        "DevelopmentDayPlanned": "development_day",
        "DevelopmentDayDelivered": "development_day",
        "DevelopmentDayCorrected": "development_day",
        "DevelopmentDayCancelled": "development_day",
        "CpdCredited": "credit",
        "CpdRevoked": "credit",
    }
    if table := tables.get(fact.type):
        yield table, fact.key
    if fact.type == "NetworkDayHeld":
        yield from (("register_entry", fact.key) for _ in fact.data["entries"])
    elif fact.type in ("DevelopmentDayDelivered", "DevelopmentDayCorrected"):
        yield from (("participant", fact.key) for _ in fact.data["participants"])


_EFFECTS = {"scheduling": _in_scheduling, "cpd": _in_cpd, "reporting": _in_reporting}
