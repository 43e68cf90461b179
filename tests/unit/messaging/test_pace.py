"""A rate is what was counted since it was asked last, over the time since then."""

from collections import Counter

from shared.messaging.replicas import Pace


def test_a_rate_is_of_the_time_since_it_was_asked_last() -> None:
    now, counted = 100.0, Counter[str]()
    pace = Pace(lambda: now)
    counted["schools"] = 30
    now += 10
    assert pace.of(counted) == {"schools": 3}
    counted.update(schools=5, days=20)
    now += 2
    assert pace.of(counted) == {"schools": 2.5, "days": 10}
    now += 2
    assert pace.of(counted) == {"schools": 0, "days": 0}
