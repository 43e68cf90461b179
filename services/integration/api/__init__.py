"""HTTP routes of integration."""

from fastapi import APIRouter

from services.integration.api import matches, mis, trusts

router = APIRouter()
for each in (trusts.router, mis.router, matches.router):
    router.include_router(each)
