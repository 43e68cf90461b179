"""HTTP routes of reporting: the reports, what may be chosen, and the page."""

from fastapi import APIRouter

from services.reporting.api import changes, page, reports

router = APIRouter()
router.include_router(reports.router)
router.include_router(changes.router)
router.include_router(page.router)
