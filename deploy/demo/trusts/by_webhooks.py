"""A trust that is sent its events, and sends its own by HTTP."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, ClassVar
from uuid import uuid4

import httpx
from aiohttp import web
from cloudevents.core.bindings.http import to_structured_event
from cloudevents.core.v1.event import CloudEvent
from standardwebhooks import Webhook, WebhookVerificationError

from deploy.demo.trusts.system import Account, NotTaken, System


class WebhookSystem(System):
    """Its receiver stands on this machine, at a free port."""

    way: ClassVar = "webhooks"

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self._secret: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        receiver = web.Application()
        receiver.router.add_post("/", self._receive)
        self._runner = web.AppRunner(receiver, access_log=None)
        self._webhook: str | None = None

    async def _begin(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0]
        made = await self._post("/mis/webhooks", url=f"http://{host}:{port}/", start="beginning")
        self._webhook = made["webhook_id"]
        self._secret.set_result(made["secret"])

    async def _end(self) -> None:
        if self._webhook is not None:
            with suppress(httpx.HTTPError):  # the platform may be going, too
                await self._aspire.delete(f"/mis/webhooks/{self._webhook}", headers=_once())
        await self._runner.cleanup()

    async def _receive(self, request: web.Request) -> web.Response:
        try:
            webhook = Webhook(await self._secret)
            event = webhook.verify(await request.read(), dict(request.headers))
        except WebhookVerificationError:
            return web.Response(status=400)
        self.records.take(event)
        return web.Response(status=204)

    async def _send(self, events: Sequence[CloudEvent]) -> None:
        batch = [json.loads(to_structured_event(each).body) for each in events]
        answer = await self._aspire.post(
            "/mis/events",
            content=json.dumps(batch),
            headers={"content-type": "application/cloudevents-batch+json"},
        )
        told = _checked(answer)
        if told["refused"]:
            why = next(each["refusal"] for each in told["events"] if each["refusal"])
            raise NotTaken(
                f"{told['refused']} reports are refused: {why['title']}, {why['detail']}"
            )

    async def _post(self, path: str, **body: Any) -> Any:
        return _checked(await self._aspire.post(path, json=body, headers=_once()))


def _once() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid4())}


def _checked(answer: httpx.Response) -> Any:
    if not answer.is_success:
        raise NotTaken(f"{answer.request.url.path} answers {answer.status_code}: {answer.text}")
    return answer.json()
