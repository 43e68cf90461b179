"""HTTP routes of integration."""

from fastapi import APIRouter

from services.integration.api import feed, matches, mis, rosters, trusts

router = APIRouter()
for each in (trusts.router, mis.router, feed.router, matches.router, rosters.router):
    router.include_router(each)
