"""Puts cpd together."""

from services.cpd import api, effects
from shared.service import Service

service = Service(
    name="cpd",
    title="Aspire CPD: what a person has earned",
    router=api.router,
    effects=effects.effects,
    package=__package__,
)
