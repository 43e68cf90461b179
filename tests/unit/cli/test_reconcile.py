"""What `aspire reconcile` says of facts that come one by one."""

import io
import json
from datetime import UTC, datetime
from uuid import uuid4

from deploy.cli.reconcile import ERASED, _Told
from shared.messaging.reconcile import Fact


def test_facts_make_one_json_answer() -> None:
    for facts in ([], [fact(1)], [fact(1), fact(2, payload=None), fact(3, payload='{"a": NaN}')]):
        spool = io.StringIO()
        told = _Told(spool)
        for each in facts:
            told.hear(each)
        told.end()
        said = json.loads(spool.getvalue(), parse_constant=refused)
        assert [each["sequence"] for each in said] == [each.sequence for each in facts]
        assert spool.getvalue() == json.dumps(said, indent=2, ensure_ascii=False) + "\n"


def test_all_are_counted_and_only_the_first_are_kept() -> None:
    told = _Told(None)
    for number in range(1, 301):
        told.hear(fact(number, obstacle="it is larger" if number == 7 else None))
    told.hear(fact(301, type=ERASED))
    assert (told.count, told.copied, len(told.first)) == (301, 300, 200)
    assert told.erased == ["é"]


def refused(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def fact(sequence: int, **changes: object) -> Fact:
    given = {
        "topic": "aspire.membership", "key": "é", "sequence": sequence, "id": uuid4(),
        "type": "uk.aspire.membership.NetworkRenamed.v1", "time": datetime(2026, 9, 1, tzinfo=UTC),
        "partition": 0, "offset": 7, "payload": '{"name": "Süd"}', "obstacle": None,
    }  # fmt: skip
    return Fact(**(given | changes))  # type: ignore[arg-type]
