"""docs/capacity.md: the text of page.md with its figures."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from benchmarks.capacity.assumptions import ASSUMPTIONS, of
from benchmarks.capacity.measured import BENCH, SCALE, Measured
from benchmarks.capacity.needs import TIMES, Limit, Need, first_to_break, limits

MOST_A_SECOND: Final = 40
"""That a replica can take of events whose effect waits 25 ms (benchmarks.scaling.replica)."""


def page(measured: Measured) -> str:
    """The whole page."""
    template = Path(__file__).with_name("page.md").read_text(encoding="utf-8")
    return template.format(
        bench=BENCH, scale=SCALE, **_scaling(measured), **_capacity(measured), **_assumed(measured)
    )


def _scaling(measured: Measured) -> dict[str, Any]:
    scale, restart = measured.scale, measured.scale["restart"]
    of_one = scale["consumers"][0]["measured"]
    rows = [
        [each["what"].removesuffix(", events/s"), f"{each['measured']:.1f}",
         f"{each['linear']:.1f}", _bold(f"{each['ratio']:.2f}", not each["reached"]),
         f"≥ {each['wanted']}", f"{each['ratio'] * of_one / MOST_A_SECOND:.2f}"]
        for each in scale["consumers"]
    ]  # fmt: skip
    return {
        "partitions": scale["partitions"],
        "load": scale["machine"]["load"],
        "most": MOST_A_SECOND,
        "scaling": _table(["", "events/s", "linear", "ratio", "wanted", "of the waits"], rows),
        "rate": restart["commands_a_second"],
        "replicas": restart["replicas"],
        "seconds": restart["seconds"],
        "commands": restart["commands"],
        "sent_again": restart["sent_again"],
        "errors": len(restart["errors"]),
        "differences": len(restart["differences"]),
        "longest": restart["longest_seconds"],
    }


def _capacity(measured: Measured) -> dict[str, Any]:
    needs = [Need(measured, times) for times in TIMES]
    heads = ["", *(f"{times}×" for times in TIMES)]
    limiting = [
        [f"{each.what}{f' ({each.unit})' if each.unit else ''}",
         *(_bold(_short(each.needed(need)), each.needed(need) > each.most) for need in needs),
         _short(each.most)]
        for each in limits(measured)
    ]  # fmt: skip
    alone, in_backlog = measured.event(1), measured.cost("consumer: mixed")
    return {
        "schools": of("schools"),
        "staff": of("staff"),
        "needs": _table(heads, [[name, *map(how, needs)] for name, how in NEEDS.items()]),
        "batch": alone.process / in_backlog.process,
        "limits": _table([*heads, "there is"], limiting),
        "first": "\n".join(_first(times, new) for times, new in first_to_break(measured).items()),
    }


NEEDS: Final[dict[str, Callable[[Need], str]]] = {
    "events a year": lambda need: f"{need.events / 1e6:,.1f} million",
    "events a second": lambda need: _short(need.a_second(need.events)),
    "commands a second": lambda need: _short(need.a_second(need.commands)),
    "questions a second": lambda need: _short(need.questions_a_second),
    "cores of APIs": lambda need: _short(need.cores["APIs"]),
    "cores of relays and consumers": lambda need: _short(need.cores["relays and consumers"]),
    "cores of the four databases": lambda need: _short(need.cores["databases"]),
    "partitions that one consumer needs (its replicas)": lambda need: str(need.consumers),
    "connections of the busiest database": lambda need: _short(need.connections),
    "disk of all databases after 10 years, with a standby": lambda need: _bytes(
        need.database_bytes
    ),
    "disk of the topics after 10 years, 3 copies": lambda need: _bytes(need.topic_bytes),
}


def _first(times: int, new: list[Limit]) -> str:
    if not new:
        return f"- **At {times}×** nothing more breaks."
    first, *others = new
    said = f"- **At {times}× first: {first.what}.** Then {first.change}."
    for each in others:
        said += f"\n  Next, {each.what}: {each.change}."
    return said


def _assumed(measured: Measured) -> dict[str, Any]:
    rows = [
        [name, f"{each.value:,} {each.unit}".strip(), each.why]
        for name, each in ASSUMPTIONS.items()
    ]
    imported = of("schools") / measured.rate("register import, first")
    return {"assumptions": _table(["what", "taken for granted", "why"], rows), "imported": imported}


def _table(heads: list[str], rows: Iterable[list[str]]) -> str:
    lines = [heads, ["---"] + ["---:"] * (len(heads) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _bold(text: str, bold: bool) -> str:
    return f"**{text}**" if bold else text


def _short(value: float) -> str:
    """Two digits that count; a whole number beyond ten."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _bytes(value: float) -> str:
    return f"{value / 1e12:,.1f} TB" if value >= 1e12 else f"{value / 1e9:,.0f} GB"
