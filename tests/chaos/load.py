"""Open-loop load: commands begin when their time has come, whatever became of earlier ones."""

import asyncio
import inspect
from random import Random
from typing import Any
from uuid import UUID

from tests.chaos.acts import Act, World, next_act
from tests.chaos.acts.membership import assign, establish, introduce_adviser, join
from tests.chaos.acts.people import introduce
from tests.chaos.clients import Clients
from tests.chaos.ledger import Command, Ledger, Outcome

MOST_UNDER_WAY = 60
"""Of commands; beyond it a client goes without, or a long outage would fill the memory."""


class Load:
    """The clients as a crowd: `prepare` the programme, then `run` until cancelled."""

    def __init__(
        self, clients: Clients, ledger: Ledger, random: Random, register: bytes, rate: float
    ) -> None:
        """`rate` is in commands a second."""
        self.world = World(register)
        self.turned_away = 0
        self._clients = clients
        self._ledger = ledger
        self._random = random
        self._rate = rate
        self._under_way: set[asyncio.Task[None]] = set()

    async def prepare(self) -> None:
        """A register, networks, advisers, schools and leaders to begin with, without faults."""
        await self._play(Act("import", "membership", "/register-imports", self.world.register))
        listed = await self._clients.get("membership", "/schools", limit=1000)
        self.world.outside = [each["school_id"] for each in listed["items"]]
        for make, number in (
            (establish, 4), (introduce_adviser, 6), (assign, 6), (join, 20), (introduce, 60)
        ):  # fmt: skip
            acts = (make(self.world, self._random) for _ in range(number))
            for act in acts:
                assert act is not None
                await self._play(act)
        unsettled = [each for each in self._ledger.commands if each.status is None]
        if unsettled:
            raise RuntimeError(f"The programme could not be prepared: {unsettled[0]}")

    async def run(self) -> None:
        """Commands at random moments, so many a second in the mean."""
        while True:
            await asyncio.sleep(self._random.expovariate(self._rate))
            if len(self._under_way) >= MOST_UNDER_WAY:
                self.turned_away += 1
                continue
            task = asyncio.create_task(self._play(next_act(self.world, self._random)))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def end(self) -> None:
        """Until every command that has begun is settled."""
        await asyncio.gather(*self._under_way)

    async def break_off(self) -> None:
        """Leave what has begun as it is."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _play(self, act: Act) -> None:
        body: Any = act.body
        if inspect.iscoroutinefunction(body):
            body = await body(self._clients.get)
            if body is None:
                return
        command = Command(
            number=len(self._ledger.commands),
            kind=act.kind,
            service=act.service,
            method=act.method,
            path=act.path,
            body=body,
            key=str(UUID(int=self._random.getrandbits(128))),
        )
        await self._clients.send(command)
        if command.outcome is Outcome.ACKNOWLEDGED:
            act.learned(command.answer)
