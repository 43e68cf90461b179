"""A trust's own system: it reports staff, and keeps what it is told."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, ClassVar, Final, Self

import httpx
from cloudevents.core.v1.event import CloudEvent

from deploy.demo.trusts.records import Records
from deploy.embedded.trouble import Trouble

SOURCE: Final = "/mis/demo"


class NotTaken(Trouble):
    """The platform does not take what a trust reports, or does not let it in."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """What the programme office gives a trust: its id and a secret, and where to use them."""

    url: str
    trust_id: str
    secret: str


class System(ABC):
    """Use as `async with`: entering has events come, leaving ends that."""

    way: ClassVar[str]
    """By which events go in and out."""

    def __init__(self, account: Account) -> None:
        self.records = Records()
        self.reported = 0
        self._trust_id = account.trust_id
        self._aspire = httpx.AsyncClient(
            base_url=account.url,
            auth=(account.trust_id, account.secret),
            timeout=30,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        try:
            await self._begin()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await self._end()
        finally:
            await self._aspire.aclose()

    async def report(self, kind: str, reports: Sequence[dict[str, Any]]) -> None:
        """Tells the platform: each a CloudEvent of `uk.aspire.mis.KIND.v1`. Raises NotTaken."""
        events = []
        for each in reports:
            self.reported += 1
            attributes = {
                "type": f"uk.aspire.mis.{kind}.v1",
                "source": SOURCE,
                "id": f"{self.reported}",
            }
            events.append(CloudEvent(attributes, each))
        await self._send(events)

    @abstractmethod
    async def _begin(self) -> None: ...

    @abstractmethod
    async def _end(self) -> None:
        """Of whatever of it has begun."""

    @abstractmethod
    async def _send(self, events: Sequence[CloudEvent]) -> None: ...
