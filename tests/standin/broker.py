"""The broker: logs, producers' epochs and transactions, groups; nothing happens by chance."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from aiokafka import TopicPartition
from aiokafka.errors import InvalidProducerEpoch, ProducerFenced, UnknownTopicOrPartitionError

from shared.events import Topic
from shared.messaging.client import Client
from shared.messaging.topics import Topics
from shared.settings import Settings

if TYPE_CHECKING:
    from tests.standin.reader import StandInReader

Headers = tuple[tuple[str, bytes], ...]


class Fate(Enum):
    """What becomes of a request on its way."""

    DONE = "done"
    ANSWER_LOST = "done, but the answer is lost"
    LOST = "lost"
    LATE = "done later, when nobody waits for it any more"


class Outcome(Enum):
    OPEN = "open"
    COMMITTED = "committed"
    ABORTED = "aborted"


@dataclass
class Transaction:
    """A producer's transaction, and the partitions that it has written to."""

    outcome: Outcome = Outcome.OPEN
    partitions: set[TopicPartition] = field(default_factory=set)


@dataclass(frozen=True, eq=False)
class Stored:
    """A record in a log; a marker, which ends a transaction, has an offset, too."""

    offset: int
    key: bytes | None = None
    value: bytes | None = None
    headers: Headers = ()
    timestamp: int = 0
    transaction: Transaction | None = None
    marker: bool = False

    @property
    def counts(self) -> bool:
        """Whether a reader of committed records is shown it."""
        return not self.marker and (
            self.transaction is None or self.transaction.outcome is Outcome.COMMITTED
        )


@dataclass
class Log:
    """A partition."""

    records: list[Stored] = field(default_factory=list)
    end: int = 0

    @property
    def stable_end(self) -> int:
        """Up to here every transaction has ended."""
        for record in self.records:
            if record.transaction is not None and record.transaction.outcome is Outcome.OPEN:
                return record.offset
        return self.end

    def append(self, **content: Any) -> int:
        self.records.append(Stored(self.end, **content))
        self.end += 1
        return self.end - 1

    def compact(self) -> None:
        """Keeps the newest record of each key, and the last record of all."""
        stable = [each for each in self.records if each.offset < self.stable_end and each.counts]
        newest = {each.key: each.offset for each in stable}
        gone = {each.offset for each in stable if newest[each.key] != each.offset}
        self.records = [each for each in self.records if each.offset not in gone]


@dataclass
class Session:
    """A producer as the broker knows it: who, in which epoch, and its open transaction."""

    name: str | None = None
    epoch: int = 0
    transaction: Transaction | None = None


@dataclass
class Group:
    """The members of a consumer group, and what they have committed."""

    members: list["StandInReader"] = field(default_factory=list)
    committed: dict[TopicPartition, int] = field(default_factory=dict)


class Broker:
    """Its topics are created with `create`; `client` is for relays and consumers."""

    def __init__(self, reach: Callable[[str], Awaitable[None]] | None = None) -> None:
        """Clients await `reach` before each request; a test may hold them there."""
        self.reach = reach or _at_once
        self.logs: dict[TopicPartition, Log] = {}
        self.compacted: set[str] = set()
        self.groups: dict[str, Group] = {}
        self.fates: deque[Fate] = deque()
        """Of the next requests of producers, which are done where nothing is said."""
        self.late: list[Callable[[], object]] = []
        """Requests under way that reach the broker when `deliver_late` says so."""
        self.away = False
        self.balances = True
        """Whether a member that comes or goes moves partitions by itself."""
        self.last_first = False
        """In which order readers are given what is on several partitions."""
        self.grown = asyncio.Event()
        self._sessions: dict[str, Session] = {}
        self._readers = count()

    @property
    def client(self) -> Client:
        """For the constructors of relay and consumer."""
        from tests.standin.producer import StandInProducer
        from tests.standin.reader import StandInReader

        return Client(
            producer=partial(StandInProducer, self),
            reader=partial(StandInReader, self),
            answers=self.answers,
            opened=self.opened,
        )

    async def answers(self, settings: Settings) -> str | None:
        """None where it is there; otherwise why it does not answer, in words."""
        return f"Kafka at {settings.kafka} does not answer (away)" if self.away else None

    @asynccontextmanager
    async def opened(self, settings: Settings, topics: Sequence[Topic]) -> AsyncIterator[Topics]:
        """Those of the topics that are there, to be read to their present ends."""
        from tests.standin.reader import StandInReader

        reader = StandInReader(self)
        partitions = self.partitions(settings.topic_prefix + topic.name for topic in topics)
        reader.assign(partitions)
        reader.pause(*partitions)
        ends = await reader.end_offsets(partitions)
        yield Topics(reader, settings, ends)  # type: ignore[arg-type]

    def create(self, topic: str, partitions: int, *, compacted: bool = False) -> None:
        """A topic, or more partitions of one that is there."""
        for number in range(partitions):
            self.logs.setdefault(TopicPartition(topic, number), Log())
        if compacted:
            self.compacted.add(topic)
        if self.balances:
            self.balance()

    def partitions(self, topics: Iterable[str]) -> list[TopicPartition]:
        """All of these topics' partitions, in order."""
        wanted = set(topics)
        return sorted(each for each in self.logs if each.topic in wanted)

    def log(self, partition: TopicPartition) -> Log:
        if partition not in self.logs:
            raise UnknownTopicOrPartitionError(f"there is no {partition}")
        return self.logs[partition]

    # Producing

    def session(self, name: str | None) -> Session:
        """A new session; one of a name fences the one before it, whose transaction is aborted."""
        if name is None:
            return Session()
        former = self._sessions.get(name)
        if former is not None and former.transaction is not None:
            self._end(former, Outcome.ABORTED)
        session = Session(name, former.epoch + 1 if former else 0)
        self._sessions[name] = session
        return session

    def append(
        self, session: Session, partition: TopicPartition, contents: Iterable[dict[str, Any]]
    ) -> int:
        """Adds records to the end of a partition; answers the offset of the first."""
        if self._is_fenced(session):
            raise InvalidProducerEpoch(f"{session.name} has a newer producer")
        if session.transaction is not None:
            session.transaction.partitions.add(partition)
        log = self.log(partition)
        offsets = [log.append(transaction=session.transaction, **each) for each in contents]
        self._tell()
        return offsets[0]

    def commit(self, session: Session) -> None:
        """Ends the session's transaction; its records count from here on."""
        if self._is_fenced(session):
            raise ProducerFenced
        self._end(session, Outcome.COMMITTED)
        self._tell()

    def deliver_late(self) -> None:
        """What was under way reaches the broker, which refuses a fenced producer's."""
        late, self.late = self.late, []
        for request in late:
            request()

    def _is_fenced(self, session: Session) -> bool:
        return session.name is not None and self._sessions[session.name] is not session

    def _end(self, session: Session, outcome: Outcome) -> None:
        transaction, session.transaction = session.transaction, None
        if transaction is not None:
            transaction.outcome = outcome
            for partition in sorted(transaction.partitions):
                self.logs[partition].append(marker=True)

    def _tell(self) -> None:
        grown, self.grown = self.grown, asyncio.Event()
        grown.set()

    # Consuming

    def member_id(self, client_id: str) -> str:
        """A name for a reader; in the order of names partitions are dealt out."""
        return f"{client_id}-{next(self._readers):06}"

    def group(self, name: str) -> Group:
        return self.groups.setdefault(name, Group())

    def balance(self) -> None:
        """Deals every group's partitions out to its members, in turn."""
        for name in self.groups:
            self.move(name, lambda number: number)

    def move(self, name: str, turn: Callable[[int], int]) -> None:
        """Gives the partition n to the member `turn(n)`, counted round and round."""
        members = self.groups[name].members
        for place, member in enumerate(members):
            member.assign_later(
                [
                    partition
                    for number, partition in enumerate(self.partitions(member.topics))
                    if turn(number) % len(members) == place
                ]
            )

    def leave(self, name: str, member: "StandInReader") -> None:
        """The member has gone, or the broker has given it up: it may still believe otherwise."""
        group = self.group(name)
        if member in group.members:
            group.members.remove(member)
            if self.balances:
                self.balance()

    # What an operator does

    def compact(self) -> None:
        """Compacts the topics that are to be."""
        for partition, log in self.logs.items():
            if partition.topic in self.compacted:
                log.compact()


async def _at_once(_: str) -> None:
    """Nobody holds anything."""
