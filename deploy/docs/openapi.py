"""docs/integration/openapi.json: the routes that are a trust's own, below `/mis`."""

from typing import Any, Final

from deploy.docs.asyncapi import references
from deploy.docs.schemas import Schema
from shared.service import VERSION, load
from shared.web.app import Api

OWN: Final = "/mis/"


def openapi() -> Schema:
    """The whole document, cut from that of the service."""
    service = load("integration")
    api = Api(title="Aspire for trusts", version=VERSION)
    api.include_router(service.router)
    whole = api.openapi()
    paths = {path: routes for path, routes in whole["paths"].items() if path.startswith(OWN)}
    components = whole["components"]
    used = _used(paths, components["schemas"])
    return whole | {
        "paths": paths,
        "components": {
            "schemas": {name: used[name] for name in sorted(used)},
            "securitySchemes": {"trust": components["securitySchemes"]["trust"]},
        },
    }


def _used(paths: Schema, schemas: Schema) -> Schema:
    """The schemas that the paths refer to, and that those refer to."""
    found: Schema = {}
    waiting: list[Any] = [paths]
    while waiting:
        for reference in references(waiting.pop()):
            name = reference.rsplit("/", 1)[1]
            if name not in found:
                found[name] = schemas[name]
                waiting.append(schemas[name])
    return found
