"""Puts integration together."""

from services.integration import api, effects
from services.integration.by_kafka import take_from_topics
from services.integration.feeder import feed
from services.integration.sending.carrier import carry
from services.integration.sending.courier import deliver
from shared.service import Service

service = Service(
    name="integration",
    title="Aspire integration: trusts' systems join by events",
    router=api.router,
    effects=effects.effects,
    works=(feed, deliver, carry, take_from_topics),
    package=__package__ or "services.integration",
)
