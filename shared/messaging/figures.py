"""What a service's database says of its outbox, of what is parked and set aside, and of stops."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import asyncpg


@dataclass(frozen=True, slots=True)
class Figures:
    """Ages are in seconds, of the oldest; counts by topic leave out the topics without."""

    outbox: int
    outbox_age: float
    stopped: Sequence[str]
    alarms: Mapping[str, int]
    parked: Mapping[str, int]
    set_aside: Mapping[str, int]
    set_aside_age: Mapping[str, float]


async def read(connection: asyncpg.Connection, early_alarm_seconds: float) -> Figures:
    """Index look-ups, and a count that goes no further than a million: cheap at any time.

    An event that has waited for another for longer than `early_alarm_seconds` raises an alarm.
    """
    row = await connection.fetchrow(
        """
        SELECT (SELECT count(*) FROM (SELECT FROM outbox LIMIT 1000000) AS o) AS outbox,
               (SELECT extract(epoch FROM clock_timestamp() - min(e.recorded_at))::float8
                  FROM shard AS s
                 CROSS JOIN LATERAL (SELECT position
                                       FROM outbox
                                      WHERE outbox.shard = s.shard
                                      ORDER BY position
                                      LIMIT 1) AS o
                  JOIN event AS e USING (position)) AS outbox_age,
               ARRAY (SELECT part FROM stop WHERE resumed_at IS NULL) AS stopped,
               (SELECT count(*)
                  FROM set_aside
                 WHERE since < now() - make_interval(secs => $1)) AS missing,
               (SELECT count(*) FROM parked WHERE failure = 'contradicting') AS contradicting,
               (SELECT count(*) FROM verified WHERE found IS NOT NULL) AS differing
        """,
        early_alarm_seconds,
    )
    assert row is not None
    waiting = await connection.fetch(
        """
        SELECT topic, false AS early, count(*) AS events, 0::float8 AS age
          FROM parked
         GROUP BY topic
         UNION ALL
        SELECT topic, true, count(*),
               extract(epoch FROM clock_timestamp() - min(since))::float8
          FROM set_aside
         GROUP BY topic
        """
    )
    early = [each for each in waiting if each["early"]]
    return Figures(
        outbox=row["outbox"],
        outbox_age=max(0.0, row["outbox_age"] or 0.0),
        stopped=row["stopped"],
        alarms={name: row[name] for name in ("missing", "contradicting", "differing")},
        parked={each["topic"]: each["events"] for each in waiting if not each["early"]},
        set_aside={each["topic"]: each["events"] for each in early},
        set_aside_age={each["topic"]: each["age"] for each in early},
    )
