"""Membership as a service: who is in the programme."""

from services.membership.api import router
from services.membership.effects import effects
from shared.service import Service

service = Service(
    name="membership",
    title="Aspire membership: who is in the programme",
    router=router,
    effects=effects,
    package=__package__ or "services.membership",
)
