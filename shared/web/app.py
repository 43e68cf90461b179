"""Puts an HTTP API together: the same manners in every service."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp, Scope

from shared.web.boundary import Boundary
from shared.web.context import Context
from shared.web.health import Check, health_router
from shared.web.problems import MEDIA_TYPE, Problem, add_handlers
from shared.web.scrape import metrics_router

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def create_app(
    context: Context,
    *,
    title: str,
    routers: Sequence[APIRouter],
    version: str,
    checks: Mapping[str, Check] | None = None,
    description: str = "",
    lifespan: Lifespan | None = None,
) -> FastAPI:
    """The API of a service, with `/openapi.json`, `/metrics`, `/health/live` and `/health/ready`.

    `checks` are the parts that this process runs, by name, each with what tells how it is.
    """
    app = Api(
        title=title,
        version=version,
        description=description,
        lifespan=lifespan,
        max_body_size=context.settings.max_body_bytes,
        # Their pages load scripts from another host; /openapi.json is enough.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"operation_spans": False, "logs": False, "exclude": _is_watching},
    )
    app.state.context = context
    add_handlers(app)
    for router in (*routers, health_router(checks or {}), metrics_router()):
        app.include_router(router)
    return app


class Api(FastAPI):
    """FastAPI that answers problems, also where Starlette answers by itself, and documents them."""

    def build_middleware_stack(self) -> ASGIApp:
        return Boundary(super().build_middleware_stack())

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = _with_problems(super().openapi())
        return self.openapi_schema


_PROBLEM: Final = {
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


def _with_problems(schema: dict[str, Any]) -> dict[str, Any]:
    """Documents problems in place of FastAPI's own validation errors, which are never sent."""
    schemas = schema.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= problem.pop("$defs")
    schemas["Problem"] = problem
    for operations in schema.get("paths", {}).values():
        for operation in operations.values():
            responses = operation["responses"]
            responses.pop("422", None)
            responses["4XX"] = {"description": "Refused: the problem says why", **_PROBLEM}
            responses["5XX"] = {"description": "Failed here, nothing changed", **_PROBLEM}
    return schema


def _is_watching(scope: Scope | Any) -> bool:
    path = str(scope.get("path", ""))
    asking_how_it_flows = path.startswith("/operations/") and path.endswith("/flow")
    return path.startswith("/health/") or path == "/metrics" or asking_how_it_flows
