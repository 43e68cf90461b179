"""What people are shown in a terminal: times by London's clocks, and whole keys in 80 columns."""

from datetime import UTC, datetime
from uuid import uuid4

from rich.console import Console

from deploy.cli.parked import table_of
from deploy.cli.terminal import moment
from shared.messaging.parking import Parked


def test_times_are_by_londons_clocks() -> None:
    assert moment(datetime(2026, 7, 1, 12, 0, 5, tzinfo=UTC)) == "01 Jul 2026 13:00:05"
    assert moment("2026-12-01T12:00:05.120450Z") == "01 Dec 2026 12:00:05"
    assert moment("2026-07-01T23:30:00+00:00", "%d %b %H:%M") == "02 Jul 00:30"


def test_a_parked_record_can_be_copied_from_a_narrow_terminal() -> None:
    key = str(uuid4())
    record = Parked(
        parked_id=12, topic="aspire.membership", partition=0, offset=7, key=key, sequence=1234,
        event_id=uuid4(), type="uk.aspire.membership.SchoolMovedNetwork.v1",
        reason="network_id: Input should be a valid UUID",
        since=datetime(2026, 7, 1, 12, tzinfo=UTC),
    )  # fmt: skip
    terminal = Console(width=80, record=True)
    terminal.print(table_of([record]))
    shown = terminal.export_text()
    for whole in (f"{key} 1234", "membership.SchoolMovedNetwork.v1", "01 Jul 13:00"):
        assert whole in shown
