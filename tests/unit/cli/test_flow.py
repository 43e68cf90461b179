"""The flow of events on the terminal says who is behind, and what is wrong in words."""

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from deploy.cli.flow import flow_table, replicas, seconds, troubles

STOP = {"part": "consumer", "reason": "the column is missing", "stopped_at": "2026-11-28T09:00:00Z"}


def process(**changes: Any) -> dict[str, Any]:
    said = {"host": "here", "pid": 7, "parts": ["api", "consumer"], "troubles": {}}
    return said | {"silent": 0.3, "well": True} | changes


def flow(service: str, **changes: Any) -> dict[str, Any]:
    nothing: dict[str, Any] = {"service": service, "replicas": [process()], "outbox": 0}
    nothing |= {"outbox_age": 0.0, "writes": [], "reads": [], "stops": [], "alarms": {}}
    return nothing | changes


def reading(**changes: Any) -> dict[str, Any]:
    calm = {"topic": "aspire.membership", "rate": 0.0, "partitions": 24, "lag": 0}
    return calm | {"lag_seconds": 0.0, "age": None, "parked": 0, "set_aside": 0} | changes


def shown(flows: dict[str, Any]) -> list[str]:
    """The table's rows, with a space between the cells."""
    console = Console(width=200, file=StringIO())
    with console.capture() as lines:
        console.print(flow_table(flows))
    rows = [" ".join(line.split()) for line in lines.get().splitlines()]
    return [row for row in rows if row.startswith(("aspire.", "cpd"))]


def test_a_topic_stands_beside_who_sends_and_who_reads_it() -> None:
    writes = [{"topic": "aspire.membership", "rate": 12.345}]
    late = reading(rate=1234.5, lag=2000, lag_seconds=90.0, age=0.0831, parked=3)
    table = shown({
        "membership": flow("membership", writes=writes, outbox=5, outbox_age=1.5),
        "scheduling": flow("scheduling", reads=[reading()]),
        "cpd": flow("cpd", reads=[late]),
        "reporting": None,
    })  # fmt: skip
    assert table == [
        "aspire.membership membership 12.3 5, 1.5 s scheduling 0.0 0 – – –",
        "cpd 1,234 2,000, 90 s 0.08 s 3 –",
    ]


def test_what_is_wrong_is_said_in_sentences() -> None:
    silent = process(pid=8, well=False, silent=41.2, troubles={"consumer": "of long ago"})
    found = flow(
        "cpd",
        stops=[STOP],
        replicas=[
            process(troubles={"relay": "Kafka does not answer", "consumer": "is stopped"}),
            silent,
        ],
        alarms={"missing": 2, "differing": 0},
    )
    assert list(troubles({"cpd": found, "reporting": None})) == [
        "cpd: consumer is stopped: the column is missing",
        "cpd, process 7 on here: relay: Kafka does not answer",
        "cpd, process 8 on here: has said nothing for 41 s",
        "cpd: events wait for one that is missing: `aspire verify` looks for it (2)",
    ]


@pytest.mark.parametrize(
    ("processes", "said"),
    [
        ([], "0"),
        ([process(), process(), process(well=False)], "2"),
        (
            [process(parts=["api"]), process(parts=["consumer"]), process(parts=["consumer"])],
            "1 api, 2 consumer",
        ),
    ],
)
def test_replicas_are_counted_by_what_they_run(processes: list[Any], said: str) -> None:
    assert replicas(flow("cpd", replicas=processes)) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "–"), (0.0, "0.00 s"), (3.21, "3.2 s"), (75, "75 s"), (600, "10 min"), (1e5, "28 h")],
)
def test_times_are_as_short_as_a_cell(value: float | None, said: str) -> None:
    assert seconds(value) == said
