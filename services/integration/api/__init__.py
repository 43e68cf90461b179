"""HTTP routes of integration."""

from fastapi import APIRouter

from services.integration.api import mis, trusts

router = APIRouter()
for each in (trusts.router, mis.router):
    router.include_router(each)
