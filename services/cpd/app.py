"""Puts cpd together."""

from shared.service import Service

from services.cpd import api, effects

service = Service(
    name="cpd",
    title="Aspire CPD: what a person has earned",
    router=api.router,
    effects=effects.effects,
    package=__package__,
)
