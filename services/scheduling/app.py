"""Puts scheduling together: its routes, its effects and its migrations."""

from services.scheduling import api
from services.scheduling.effects import effects
from shared.service import Service

service = Service(
    name="scheduling",
    title="Aspire scheduling: which days happen and who comes",
    router=api.router,
    effects=effects,
    package=__package__,
)
