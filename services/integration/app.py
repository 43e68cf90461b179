"""Puts integration together."""

from services.integration import api, effects
from shared.service import Service

service = Service(
    name="integration",
    title="Aspire integration: trusts' systems join by events",
    router=api.router,
    effects=effects.effects,
    package=__package__ or "services.integration",
)
