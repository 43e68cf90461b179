"""What so many times the country needs, and what of it is too much for one of its kind."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Final

from benchmarks.capacity.assumptions import of
from benchmarks.capacity.measured import Measured

TIMES: Final = (1, 10, 100)
PROCESSES_LEAST: Final = 2
"""Of each part, so that one may go."""


@dataclass(frozen=True)
class Need:
    """Of `times` as many schools and people, in the busiest hour unless it says otherwise."""

    measured: Measured
    times: int

    @cached_property
    def events_a_year(self) -> dict[str, float]:
        """By topic."""
        booked = of("places a person books") * of("staff")
        days = booked / of("people on a Network Day")
        visits = of("Development Days of a school") * of("schools")
        each = {
            "aspire.membership": of("changes of a person") * of("staff")
            + of("changes of a school") * of("schools"),
            "aspire.scheduling": booked * (1 + of("places released or waited for"))
            + (days + visits) * (2 + of("days moved or cancelled")),
            "aspire.cpd": booked * of("places attended") + visits * of("people credited by one"),
        }
        return {topic: count * self.times for topic, count in each.items()}

    @property
    def events(self) -> float:
        """A year, of all topics."""
        return sum(self.events_a_year.values())

    @property
    def busiest_topic(self) -> float:
        """Events a second."""
        return self.a_second(max(self.events_a_year.values()))

    @property
    def commands(self) -> float:
        """A year: what is no effect of another event is a command."""
        return self.events_a_year["aspire.membership"] + self.events_a_year["aspire.scheduling"]

    def a_second(self, a_year: float) -> float:
        """In the busiest hour."""
        seconds = of("days of a working year") * of("hours of a working day") * 3600
        return a_year / seconds * of("busiest hour")

    @property
    def questions_a_second(self) -> float:
        return self.a_second(self.commands) * of("questions for each command")

    @cached_property
    def cores(self) -> dict[str, float]:
        """By what they do, with the room that is to be left."""
        command = self.measured.cost("HTTP: book a place")
        question = self.measured.cost("HTTP: read a page")
        rate = self.a_second(self.events)
        event = self.measured.event(rate)
        commands, questions = self.a_second(self.commands), self.questions_a_second
        used = {
            "APIs": commands * command.process + questions * question.process,
            "relays and consumers": rate * event.process,
            "databases": commands * command.postgres
            + questions * question.postgres
            + rate * event.postgres,
        }
        return {name: count / of("processors in use") for name, count in used.items()}

    @property
    def busiest_database_cores(self) -> float:
        return self.cores["databases"] * of("questions that ask one service")

    def processes(self, cores: float) -> int:
        """One uses one core; there are two at least."""
        return max(PROCESSES_LEAST, ceil(cores))

    @property
    def connections(self) -> int:
        """To the busiest database: its APIs, and as many workers as its events need."""
        share = of("questions that ask one service")
        apis = self.processes(self.cores["APIs"] * share)
        return (apis + self.consumers) * int(of("connections of a process"))

    @property
    def consumers(self) -> int:
        """Replicas of one service's relay and consumer."""
        return self.processes(self.cores["relays and consumers"] / 2)

    def _bytes(self, per_event: str, per_key: str) -> float:
        """Of an event and its share of a key's row, which twenty events have in common."""
        return self.measured.size(per_event) + self.measured.size(per_key) / 20

    @property
    def journal_bytes(self) -> float:
        """Of the largest journal, after all years."""
        once = self._bytes("journal_per_event", "stream_per_key")
        return max(self.events_a_year.values()) * of("years kept") * once

    @property
    def database_bytes(self) -> float:
        """Of all databases: journals, inboxes and effects, two of each for an event."""
        kept = self.events * of("years kept")
        once = self._bytes("journal_per_event", "stream_per_key")
        taken = self._bytes("effect_per_event", "inbox_per_key")
        return kept * (once + 2 * taken) * of("copies of a database")

    @property
    def topic_bytes(self) -> float:
        kept = self.events * of("years kept")
        return kept * self.measured.size("kafka_per_event") * of("copies of a topic")


@dataclass(frozen=True)
class Limit:
    """Something of which there is only one: how much of it is needed, and what there is."""

    what: str
    unit: str
    most: float
    needed: Callable[[Need], float]
    change: str


def limits(measured: Measured) -> list[Limit]:
    """All that can break, and what is then changed."""
    rebuilt = measured.rate("rebuild of reporting")
    return [
        Limit(
            "the first report of a year, after a migration or a crash", "s",
            of("a person waits"),
            lambda need: need.events * of("first report") / 1e6,
            "a new replica works the current year out before it is ready, one region after the "
            "other, so that nobody waits for it",
        ),
        Limit(
            "a rebuild of reporting", "hours",
            of("a night"),
            lambda need: need.events * of("years kept") / rebuilt / 3600,
            "several processes read the log, each its own partitions, as consumers do",
        ),
        Limit(
            "processors of the busiest database", "",
            of("processors of a database"),
            lambda need: need.busiest_database_cores,
            "lists and reports are read from standbys; then the service is split by region",
        ),
        Limit(
            "connections of the busiest database", "",
            of("connections of a database"),
            lambda need: need.connections,
            "a pooler that hands out transactions stands before it: nothing here needs a session",
        ),
        Limit(
            "replicas of a consumer", "",
            of("partitions of a topic"),
            lambda need: need.consumers,
            "the live topics get more partitions; keys keep their order meanwhile",
        ),
        Limit(
            "events of one relay's database, a second", "",
            measured.rate("relay: journal"),
            lambda need: need.busiest_topic,
            "change data capture takes the outbox's place (decision 5)",
        ),
        Limit(
            "commands with an event in one database, a second", "",
            measured.rate("append: a command"),
            lambda need: need.busiest_topic,
            "a larger machine than the benchmark's; then the service is split by region",
        ),
        Limit(
            "disk of the largest journal, after all years", "TB",
            of("disk of a database"),
            lambda need: need.journal_bytes / 1e12,
            "the journal is partitioned by year, and old years go to object storage",
        ),
    ]  # fmt: skip


def first_to_break(measured: Measured) -> dict[int, list[Limit]]:
    """At each multiple what breaks there and not before, the worst first."""
    broken: set[str] = set()
    found: dict[int, list[Limit]] = {}
    for times in TIMES:
        need = Need(measured, times)
        new = [
            each
            for each in limits(measured)
            if each.what not in broken and each.needed(need) > each.most
        ]
        found[times] = sorted(new, key=lambda each: each.needed(need) / each.most, reverse=True)
        broken |= {each.what for each in new}
    return found
