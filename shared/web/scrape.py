"""`/metrics`, for Prometheus."""

from typing import Annotated

from fastapi import APIRouter, Header
from fastapi.responses import Response

from shared import metrics


def metrics_router() -> APIRouter:
    """Open, as health is: it says nothing about people. A thread answers, so that reading
    thousands of figures holds up no request."""
    router = APIRouter(tags=["health"])

    @router.get("/metrics", summary="What is measured, for Prometheus", response_class=Response)
    def scrape(accept: Annotated[str, Header()] = "") -> Response:
        content, media_type = metrics.exposition(accept)
        return Response(content, media_type=media_type, headers={"Cache-Control": "no-store"})

    return router
