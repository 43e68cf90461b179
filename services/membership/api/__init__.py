"""The HTTP routes of membership: one module a resource."""

from fastapi import APIRouter

from services.membership.api import (
    groups,
    memberships,
    networks,
    people,
    register_imports,
    reported,
    schools,
)

router = APIRouter()
for resource in (register_imports, schools, networks, memberships, groups, people, reported):
    router.include_router(resource.router)
