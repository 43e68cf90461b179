"""The outermost layer of an API: what the framework answers in plain text becomes a problem."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.web.problems import MEDIA_TYPE, too_large


class Boundary:
    """Starlette answers a body that is too large in plain text, and raises an exception again
    after the handler has answered it; neither leaves here."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(scope, receive, send)
        try:
            await self._app(scope, receive, answer.send)
        except Exception:
            if not answer.complete:
                raise


class _Answer:
    """Passes an answer on, and remembers whether it is complete."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._replaced = False
        self.complete = False

    async def send(self, message: Message) -> None:
        if self._replaced:
            return
        if message["type"] == "http.response.start" and message["status"] == 413:
            media_type = Headers(raw=message["headers"]).get("content-type", "")
            if not media_type.startswith(MEDIA_TYPE):
                self._replaced = self.complete = True
                await too_large()(self._scope, self._receive, self._send)
                return
        await self._send(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self.complete = True
