"""Puts reporting together. It publishes nothing, so it has no relay."""

from services.reporting import api
from services.reporting.answers import answers
from services.reporting.effects import effects
from shared.service import Service

service = Service(
    name="reporting",
    title="Aspire reporting: the figures of a programme year",
    router=api.router,
    effects=effects,
    package=__package__,
    publishes=False,
    answers=answers,
)
