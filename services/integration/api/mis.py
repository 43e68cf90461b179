"""What a trust's own systems may ask and tell, by the trust's credentials."""

from fastapi import APIRouter

from services.integration import store
from services.integration.api.signing_in import Trust
from services.integration.api.trusts import ConnectionOut, shown
from shared.web import Now, Read, Today

router = APIRouter(prefix="/mis", tags=["mis"])


@router.get("/connection", summary="Look at the own connection and the own schools")
async def look(trust_id: Trust, read: Read, now: Now, today: Today) -> ConnectionOut:
    return await shown(read, await store.connection_of(read, trust_id), now, today)
