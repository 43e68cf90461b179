"""A server of an instance, started again where somebody has killed it."""

import asyncio
from collections.abc import Awaitable, Callable

from deploy.embedded.supervisor import Child, Supervisor
from deploy.embedded.trouble import ChildDied


class Server:
    """Kafka or PostgreSQL: what `start` starts, waits for, and can start again on the same data."""

    def __init__(
        self,
        start: Callable[[], Awaitable[Child]],
        supervisor: Supervisor,
        say: Callable[[str], None],
    ) -> None:
        self._start = start
        self._supervisor = supervisor
        self._say = say
        self._child: Child | None = None
        self._again: asyncio.Task[None] | None = None

    @property
    def child(self) -> Child:
        """Its process, or the one that has just died."""
        if self._child is None:
            raise RuntimeError("The server has not been started; await start() first.")
        return self._child

    async def start(self) -> None:
        """Start it, and wait until it answers. Raises what `start` raises."""
        self._child = await self._start()

    def look(self) -> None:
        """Begin to start it again where it was killed; its data are as they were.

        One that has ended by itself would do so again: it knows why, as for a full disk.

        Raises:
            ChildDied: it has ended by itself, or before it answered.
            NotReady: it was started again, and does not answer.
        """
        if self._again is not None and self._again.done():
            done, self._again = self._again, None
            done.result()
        if self._again is not None or self.child.alive:
            return
        if not self.child.killed:
            raise ChildDied(self.child.obituary())
        self._say(f"{self.child.end_in_words()}; it starts again on its data.")
        self._again = asyncio.create_task(self._restart())

    async def close(self) -> None:
        """Returns when it is not being started any more, once asked to stop."""
        if self._again is not None:
            await asyncio.gather(self._again, return_exceptions=True)

    async def _restart(self) -> None:
        await self._supervisor.end([self.child])
        await self.start()
        self._say(f"{self.child.name} answers again.")
