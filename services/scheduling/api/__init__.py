"""The HTTP routes of scheduling: one module a resource."""

from fastapi import APIRouter

from services.scheduling.api import absences, development_days, known, network_days, places
from shared.web import CommandRoute

router = APIRouter(route_class=CommandRoute)
for resource in (network_days, places, absences, development_days, known):
    router.include_router(resource.router)
