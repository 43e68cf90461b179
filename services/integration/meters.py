"""What integration counts."""

from typing import Final

from opentelemetry import metrics

TAKEN: Final = "taken"
UNCHANGED: Final = "unchanged"
REPEATED: Final = "repeated"
REFUSED: Final = "refused"
NOT_THE_TRUSTS: Final = "not_the_trusts"

_reports = metrics.get_meter("aspire.integration").create_counter(
    "aspire.mis.reports",
    unit="{report}",
    description="What became of trusts' events; not_the_trusts: the school is another's",
)


def reported(outcome: str) -> None:
    """One more event of a trust, and what became of it."""
    _reports.add(1, {"aspire.outcome": outcome})
