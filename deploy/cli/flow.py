"""The flow of events on the terminal: service → topic → consumer, with rate, age and trouble."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal

from rich import box
from rich.table import Table
from rich.text import Text

LATE_SECONDS: Final = 60
"""An event that has not taken effect or is not on Kafka for so long is trouble."""

COLUMNS: Final[tuple[tuple[str, Literal["left", "right"]], ...]] = (
    ("topic", "left"),
    ("sent by", "left"),
    ("events\n/s", "right"),
    ("unsent,\noldest", "right"),
    ("read by", "left"),
    ("events\n/s", "right"),
    ("behind,\noldest", "right"),
    ("effect\nafter", "right"),
    ("parked", "right"),
    ("set\naside", "right"),
)
Found = Mapping[str, Any]
"""A flow by the name of its service, as `GET /operations/flow` answers; None where it does not."""


def flow_table(flows: Found) -> Table:
    """A row for each consumer of a topic."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for title, justify in COLUMNS:
        table.add_column(title, justify=justify, vertical="bottom", no_wrap=True)
    for topic, writer, writing, unsent in _topics(flows):
        sent = (Text(topic, style="bold"), Text(writer), _rate(writing), unsent)
        for reader, reading in _readers(flows, topic) or [("–", None)]:
            table.add_row(*sent, Text(reader), *_read(reading))
            sent = (Text(), Text(), Text(), Text())
    return table


def troubles(flows: Found) -> Iterator[str]:
    """Each in a sentence: stops, alarms, what parts say, replicas that have fallen silent."""
    for service, flow in flows.items():
        if flow is None:
            continue
        stopped = {stop["part"] for stop in flow["stops"]}
        for stop in flow["stops"]:
            yield f"{service}: {stop['part']} is stopped: {stop['reason']}"
        for replica in flow["replicas"]:
            where = f"{service}, process {replica['pid']} on {replica['host']}"
            if not replica["well"]:
                yield f"{where}: has said nothing for {replica['silent']:.0f} s"
            for part, trouble in replica["troubles"].items():
                if replica["well"] and part not in stopped:
                    yield f"{where}: {part}: {trouble}"
        for alarm, count in flow["alarms"].items():
            if count:
                yield f"{service}: {ALARMS.get(alarm, alarm)} ({count:,})"


ALARMS: Final = {
    "missing": "events wait for one that is missing: `aspire verify` looks for it",
    "contradicting": "one sequence has come with two ids: `aspire parked list` shows it",
    "differing": "journal, topics and inbox differ: run `aspire verify`",
}


def replicas(flow: Mapping[str, Any] | None) -> str:
    """How many processes there are, by part where they differ in that."""
    if flow is None:
        return "–"
    alive = [tuple(each["parts"]) for each in flow["replicas"] if each["well"]]
    kinds = sorted(set(alive))
    if len(kinds) < 2:
        return str(len(alive))
    return ", ".join(f"{alive.count(kind)} {'+'.join(kind)}" for kind in kinds)


def seconds(value: float | None) -> str:
    """1.2 s, 4 min, 3 h: as short as a cell."""
    match value:
        case None:
            return "–"
        case _ if value < 10:
            return f"{value:.2f} s" if value < 1 else f"{value:.1f} s"
        case _ if value < 120:
            return f"{value:.0f} s"
        case _ if value < 7200:
            return f"{value / 60:.0f} min"
    return f"{value / 3600:.0f} h"


def _topics(flows: Found) -> Iterator[tuple[str, str, Mapping[str, Any], Text]]:
    for service, flow in flows.items():
        unsent = Text("–")
        if flow and flow["outbox"]:
            late = flow["outbox_age"] > LATE_SECONDS
            words = f"{flow['outbox']:,}, {seconds(flow['outbox_age'])}"
            unsent = Text(words, style="bold red" if late else "")
        for writing in flow["writes"] if flow else ():
            yield writing["topic"], service, writing, unsent


def _readers(flows: Found, topic: str) -> list[tuple[str, Mapping[str, Any] | None]]:
    return [
        (service, reading)
        for service, flow in flows.items()
        for reading in (flow["reads"] if flow else ())
        if reading["topic"] == topic
    ]


def _read(reading: Mapping[str, Any] | None) -> Iterable[Text]:
    if reading is None:
        return ()
    lag, age = reading["lag"], reading["lag_seconds"]
    behind = Text("–" if lag is None else f"{lag:,}")
    if lag:
        late = age is not None and age > LATE_SECONDS
        behind = Text(f"{lag:,}, {seconds(age)}", style="bold red" if late else "yellow")
    return (
        _rate(reading),
        behind,
        Text(seconds(reading["age"])),
        _count(reading["parked"], "bold red"),
        _count(reading["set_aside"], "yellow"),
    )


def _rate(moving: Mapping[str, Any]) -> Text:
    rate = moving["rate"]
    return Text(f"{rate:,.1f}" if rate < 100 else f"{rate:,.0f}", style="" if rate else "dim")


def _count(count: int, style: str) -> Text:
    return Text(f"{count:,}", style=style) if count else Text("–", style="dim")
