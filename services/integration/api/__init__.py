"""HTTP routes of integration."""

from fastapi import APIRouter

from services.integration.api import feed, matches, mis, rosters, sandboxes, trusts, webhooks

router = APIRouter()
for each in (trusts, mis, feed, matches, rosters, webhooks, sandboxes):
    router.include_router(each.router)
