"""The HTTP routes of membership: one module a resource."""

from fastapi import APIRouter

from services.membership.api import (
    groups,
    memberships,
    networks,
    people,
    register_imports,
    schools,
)

router = APIRouter()
for resource in (register_imports, schools, networks, memberships, groups, people):
    router.include_router(resource.router)
