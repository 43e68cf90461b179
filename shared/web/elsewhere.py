"""The page of operators, and the way from it to the other services, by their `/operations`.

Each service can host it. The page asks its own host alone, which passes the questions on, with the
operator's own token, to the addresses in `ASPIRE_OPERATIONS_SERVICES` and nowhere else.
"""

import re
import ssl
from functools import cache
from typing import Final

import httpx
from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from shared.events import TOPICS
from shared.problems import NotFound, Refused
from shared.web.asking import asking
from shared.web.operations import Operator, Served
from shared.web.site import File, Site

SECONDS_TO_ANSWER: Final = 3
PASSED_ON: Final = re.compile(r"flow|stops|resume|parked(/[0-9]{1,19}(/replay|/discard)?)?")
PASSED_HEADERS: Final = ("authorization", "content-type", "idempotency-key", "traceparent")

PACKAGE: Final = "shared.web"
SITE: Final = Site(
    "/operations",
    File(PACKAGE, "pages/operations.html", "text/html"),
    {
        "operations.css": File(PACKAGE, "pages/operations.css", "text/css"),
        "asking.js": File(PACKAGE, "pages/asking.js", "text/javascript"),
        "drawing.js": File(PACKAGE, "pages/drawing.js", "text/javascript"),
        "parked.js": File(PACKAGE, "pages/parked.js", "text/javascript"),
        "operations.js": File(PACKAGE, "pages/operations.js", "text/javascript"),
    },
)


class ServiceUnknown(NotFound):
    title = "There is no such service here"


class ServiceAway(Refused):
    status = 502
    title = "The service does not answer"


class Services(BaseModel):
    """The paths at which this service answers for each, and where traces are looked at."""

    services: dict[str, str]
    writers: dict[str, str]
    """Who writes each topic, also while nobody answers."""
    zipkin: str | None


def elsewhere_router() -> APIRouter:
    """`/operations` for browsers, and `/operations/services/…`."""
    router = APIRouter(tags=["operations"])

    @router.get("/operations/services", summary="Which services can be asked through this one")
    async def services(_: Operator, context: Served) -> Services:
        own, settings = context.service, context.settings
        paths = {name: f"/operations/services/{name}" for name in settings.operations_urls}
        return Services(
            services=paths | {own: "/operations"},
            writers={topic.name: topic.service for topic in TOPICS.values()},
            zipkin=settings.zipkin_url,
        )

    @router.api_route(
        "/operations/services/{service}/{path:path}",
        methods=["GET", "POST"],
        include_in_schema=False,
    )
    async def pass_on(
        service: str, path: str, request: Request, _: Operator, context: Served
    ) -> Response:
        url = context.settings.operations_urls.get(service)
        if url is None or not PASSED_ON.fullmatch(path):
            raise ServiceUnknown(
                f"{context.service} passes nothing on to {service}/{path}: see "
                "ASPIRE_OPERATIONS_SERVICES, and /openapi.json of the service."
            )
        return await _ask(service, f"{url.rstrip('/')}/operations/{path}", request)

    router.include_router(SITE.router())
    return router


async def _ask(service: str, url: str, request: Request) -> Response:
    headers = {name: value for name, value in request.headers.items() if name in PASSED_HEADERS}
    try:
        async with httpx.AsyncClient(
            timeout=SECONDS_TO_ANSWER, trust_env=False, verify=_authorities()
        ) as client:
            body = await request.body()
            with asking():
                answer = await client.request(
                    request.method,
                    url,
                    params=list(request.query_params.multi_items()),
                    content=body,
                    headers=headers,
                )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ServiceAway(
            f"{service} does not answer ({str(error) or type(error).__name__}). `aspire status` "
            "shows what runs; ASPIRE_OPERATIONS_SERVICES says where it is looked for."
        ) from error
    return Response(
        answer.content,
        answer.status_code,
        headers={"Cache-Control": "no-store"},
        media_type=answer.headers.get("content-type"),
    )


@cache
def _authorities() -> ssl.SSLContext:
    """Made once: it takes longer than a question."""
    return ssl.create_default_context()
