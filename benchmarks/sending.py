"""How soon a trust's receiver has answered for what was committed in membership: a thousand trusts,
each with a webhook, and integration as a process of its own."""

import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4, uuid5

import asyncpg
import httpx
import psutil
from standardwebhooks import Webhook as Signer

from benchmarks.measure import Bench, Percentile, Row, Spent
from benchmarks.processes import running
from services.integration.domain.webhooks import Secret, Webhook
from services.integration.effects import effects
from services.integration.store import feed, feeding, webhooks
from shared.events import Event, Received
from shared.events import membership as said
from shared.events.vocabulary import GroupKind
from shared.messaging import Transaction, cluster
from shared.messaging.connections import acquire
from shared.messaging.relay import Relay
from shared.sealing import Sealer, make_keys
from shared.settings import Settings

TRUSTS: Final = 1000
RATE: Final = 200
SECONDS: Final = 4
UNMEASURED: Final = 20
HANGING: Final = 50
"""The first so many trusts' receivers never answer, in the second row."""
MOST_MS: Final = 1000
MEGABYTE: Final = 1024 * 1024
SECRET: Final = "whsec_" + "c2VjcmV0" * 6
LIMITS: Final = {"statements": 60}
REFERENCE: Final = "commit, and a signed POST from the command itself"
_IDS: Final = uuid5(UUID(int=0), "webhooks of the bench")


async def sending(bench: Bench) -> list[Row]:
    """Rows of the median and of the slowest hundredth, where all answer and where some hang."""
    memory: list[Spent] = []
    ours, hanging, bare = await bench.alternate(
        partial(_ours, bench, 0, memory), partial(_ours, bench, HANGING, []), partial(_bare, bench)
    )
    what = f"commit to a receiver's answer, {TRUSTS:,} trusts, {RATE}/s"
    rows: list[Row] = [
        Percentile(f"{what}{more}, p{percent}", "ms", REFERENCE, 50, runs, bare, LIMITS,
                   enough=MOST_MS, percent=percent)
        for more, runs in (("", ours), (f", {HANGING} hang", hanging))
        for percent in (50, 99)
    ]  # fmt: skip
    before, after = memory[0::2], memory[1::2]
    memory_row = Percentile(
        "memory of integration after them", "MB", "the same before", 1.2, after, before
    )
    return [*rows, memory_row]


@dataclass
class Receiver:
    """Answers at once, or never; notes when it was sent what, by the trust."""

    watched: dict[str, float] = field(default_factory=dict)
    milliseconds: list[float] = field(default_factory=list)
    open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """HTTP/1.1 as far as a client needs it."""
        self.open.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.lower().split(b"\r\n")
                length = next(int(at[15:]) for at in lines if at.startswith(b"content-length:"))
                body = await reader.readexactly(length)
                if head.startswith(b"POST /hang"):
                    await reader.read()
                    return
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
                self._note(json.loads(body)["data"]["school_id"])
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            self.open.discard(writer)

    def _note(self, school_id: str) -> None:
        if (committed := self.watched.pop(school_id, None)) is not None:
            self.milliseconds.append((time.perf_counter() - committed) * 1000)

    async def until(self, count: int) -> None:
        while len(self.milliseconds) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


@asynccontextmanager
async def _receiving() -> AsyncIterator[tuple[Receiver, str]]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    try:
        yield receiver, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in receiver.open:
            writer.close()


def _school(number: int) -> UUID:
    return uuid5(_IDS, f"school {number}")


def _renamed(number: int) -> said.SchoolDetailsChanged:
    details = said.SchoolDetails(urn=100000 + number, name="Elm Grove")
    return said.SchoolDetailsChanged(school_id=_school(number), details=details)


async def _ours(bench: Bench, hanging: int, memory: list[Spent]) -> Spent:
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(home=Path(home), kafka=bench.kafka, topic_prefix=f"b{uuid4().hex[:8]}.")
        make_keys(settings.home / "sealing.keys")
        await cluster.create_topics(settings)
        async with (
            _receiving() as (receiver, url),
            bench.database("membership") as publisher,
            bench.workers(publisher) as workers,
            bench.database("integration") as pool,
        ):
            await _connect(pool, settings, url, hanging)
            relay = Relay("membership", workers, settings)

            async def command(number: int) -> None:
                async with acquire(publisher) as connection, connection.transaction():
                    transaction = Transaction(connection, "user:bench")
                    transaction.record(_renamed(number))
                    await transaction.append()
                receiver.watched[str(_school(number))] = time.perf_counter()
                relay.wake()

            sends = asyncio.create_task(relay.run())
            try:
                async with running(
                    bench, settings, "integration", pool, ASPIRE_WEBHOOKS_INSIDE="true"
                ) as process:
                    return await _steadily(bench, receiver, command, process.pid, hanging, memory)
            finally:
                sends.cancel()
                await asyncio.gather(sends, return_exceptions=True)


async def _connect(pool: asyncpg.Pool, settings: Settings, url: str, hanging: int) -> None:
    """Trusts, each with a school and a webhook that has everything so far."""
    trusts = [uuid5(_IDS, f"trust {number}") for number in range(TRUSTS)]
    facts: list[Sequence[Event]] = [
        [said.GroupRegistered(group_id=of, name="Solent", kind=GroupKind.TRUST) for of in trusts],
        [
            said.SchoolJoinedGroup(
                group_id=of, school_id=_school(number), joined_on=date(2020, 9, 1)
            )
            for number, of in enumerate(trusts)
        ],
    ]
    sealed = Sealer(settings).seal(SECRET)
    now = datetime.now(UTC)
    async with acquire(pool) as connection:
        for events in facts:
            effect = effects.of(events[0].type)
            assert effect is not None
            await effect(connection, [_received(event, at) for at, event in enumerate(events)])
        while await feeding.is_due(connection):
            await feeding.take_turn(connection, TRUSTS)
        await connection.execute("INSERT INTO connection SELECT * FROM unnest($1::uuid[])", trusts)
        for number, trust_id in enumerate(trusts):
            webhook = Webhook(
                webhook_id=uuid4(), trust_id=trust_id, types=None, made_at=now,
                url=f"{url}/hang" if number < hanging else f"{url}/aspire",
                secrets=(Secret(secret_id=uuid4(), sealed=sealed, made_at=now),),
            )  # fmt: skip
            await webhooks.add(connection, webhook, await feed.end(connection, trust_id))


def _received(event: Event, number: int) -> Received[Any]:
    return Received(
        id=uuid5(_IDS, f"{event.type} {event.key} {number}"), topic=event.topic.name,
        key=event.key, sequence=1 if isinstance(event, said.GroupRegistered) else 2,
        time=datetime.now(UTC), data=event, partition=0, offset=number,
    )  # fmt: skip


async def _steadily(
    bench: Bench, receiver: Receiver, command: Any, pid: int, hanging: int, memory: list[Spent]
) -> Spent:
    """Begins so many commands a second; those for receivers that hang are beside them."""
    total = RATE * SECONDS
    for number in range(UNMEASURED):
        await command(TRUSTS - 1 - number)
        await receiver.until(number + 1)
    receiver.milliseconds.clear()
    memory.append(Spent(1, samples=[psutil.Process(pid).memory_info().rss / MEGABYTE]))
    commands = [asyncio.create_task(command(number)) for number in range(hanging)]
    async with bench.measured(total) as spent:
        begun = time.perf_counter()
        for number in range(total):
            await asyncio.sleep(max(0.0, begun + number / RATE - time.perf_counter()))
            commands.append(asyncio.create_task(command(hanging + number)))
        await asyncio.gather(*commands)
        await receiver.until(total)
    spent.samples = receiver.milliseconds
    memory.append(Spent(1, samples=[psutil.Process(pid).memory_info().rss / MEGABYTE]))
    return spent


async def _bare(bench: Bench) -> Spent:
    signer = Signer(SECRET)
    async with (
        _receiving() as (receiver, url),
        bench.database("membership") as publisher,
        httpx.AsyncClient(limits=httpx.Limits(max_connections=200)) as client,
    ):
        await publisher.execute("CREATE TABLE said (key text, payload json NOT NULL)")

        async def command(number: int) -> None:
            event = _renamed(number)
            body = json.dumps({"data": event.model_dump(mode="json")})
            async with publisher.acquire() as connection, connection.transaction():
                await connection.execute("INSERT INTO said VALUES ($1, $2)", event.key, body)
            receiver.watched[event.key] = time.perf_counter()
            now = datetime.now(UTC)
            headers = {
                "webhook-id": event.key,
                "webhook-timestamp": str(int(now.timestamp())),
                "webhook-signature": signer.sign(event.key, now, body),
            }
            await client.post(f"{url}/aspire", content=body, headers=headers)

        return await _steadily(bench, receiver, command, psutil.Process().pid, 0, [])
