"""docs/capacity.md says what the script says, and the script what was measured."""

import pytest

from benchmarks.capacity.__main__ import PAGE
from benchmarks.capacity.measured import Measured
from benchmarks.capacity.needs import TIMES, Need, first_to_break, limits
from benchmarks.capacity.page import page

MEASURED = Measured.read()


def test_the_page_is_what_the_script_writes() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(MEASURED), "run `make capacity`"


def test_something_breaks_at_each_size_and_each_thing_once() -> None:
    broken = [each.what for new in first_to_break(MEASURED).values() for each in new]
    assert len(set(broken)) == len(broken)
    most = Need(MEASURED, max(TIMES))
    assert set(broken) == {each.what for each in limits(MEASURED) if each.needed(most) > each.most}
    assert all(first_to_break(MEASURED).values())


def test_ten_times_the_people_are_ten_times_the_events_and_the_disk() -> None:
    one, ten = (Need(MEASURED, times) for times in (1, 10))
    assert ten.events == pytest.approx(10 * one.events)
    assert ten.topic_bytes == pytest.approx(10 * one.topic_bytes)
    at_work = ten.cores["relays and consumers"]
    assert at_work < 10 * one.cores["relays and consumers"]  # among others an event costs less


def test_an_event_is_as_dear_as_where_it_comes_nearly_as_often() -> None:
    alone, among_others = MEASURED.event(1), MEASURED.event(400)
    assert alone == MEASURED.event(200)
    assert among_others == MEASURED.event(10_000)
    assert alone.process > among_others.process > 0
