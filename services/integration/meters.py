"""What integration counts."""

from typing import Final

from opentelemetry import metrics

from services.integration.domain.webhooks import Answer

TAKEN: Final = "taken"
UNCHANGED: Final = "unchanged"
REPEATED: Final = "repeated"
REFUSED: Final = "refused"
NOT_THE_TRUSTS: Final = "not_the_trusts"

_meter = metrics.get_meter("aspire.integration")
_reports = _meter.create_counter(
    "aspire.mis.reports",
    unit="{report}",
    description="What became of trusts' events; not_the_trusts: the school is another's",
)

_deliveries = _meter.create_counter(
    "aspire.webhook.deliveries",
    unit="{delivery}",
    description="What became of tries to send an event to a trust's webhook: taken; refused, by "
    "another status; unanswered",
)


def reported(outcome: str) -> None:
    """One more event of a trust, and what became of it."""
    _reports.add(1, {"aspire.outcome": outcome})


def delivered(answer: Answer) -> None:
    """One more try to send an event to a webhook."""
    outcome = "taken" if answer.taken else "refused" if answer.status else "unanswered"
    _deliveries.add(1, {"aspire.outcome": outcome})
