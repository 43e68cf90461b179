"""Spans are put below each other as they happened, whatever their order, and waits are told."""

from typing import Any

from deploy.cli.spans import in_order

TYPE = "uk.aspire.scheduling.PlaceBooked.v1"


def row(name: str, begun: int, lasted: int, parent: str | None = None, **more: Any) -> Any:
    """As Zipkin has it; the id is the name."""
    made = {"id": name, "name": name, "timestamp": begun, "duration": lasted, **more}
    return made | {"localEndpoint": {"serviceName": "aspire-cpd"}} | {"parentId": parent or "gone"}


ABOUT = {"messaging.message.id": "e1", "cloudevents.event_type": TYPE}
ROWS = [
    row("process", 60, 9, "append", kind="CONSUMER", tags=ABOUT),
    row("send aspire.scheduling", 30, 12, "append", kind="PRODUCER", tags=ABOUT),
    row("append", 20, 5, "post /places"),
    row("insert", 61, 2, "process", tags={"db.query.text": "INSERT INTO credit"}),
    row(
        "post /places",
        0,
        27,
        tags={"http.request.method": "POST", "http.route": "/places", "error": ""},
    ),
]


def test_each_span_is_below_the_one_that_it_belongs_to() -> None:
    [top] = in_order(ROWS)
    assert [(span.name, span.service) for span in top.walk()] == [
        ("POST /places", "cpd"),
        ("append", "cpd"),
        ("send aspire.scheduling", "cpd"),
        ("process", "cpd"),
        ("insert", "cpd"),
    ]
    assert top.error == "failed"


def test_processing_waited_since_kafka_acknowledged() -> None:
    waits = {span.name: span.waited for span in in_order(ROWS)[0].walk()}
    assert waits["process"] == 60 - 42
    assert waits["send aspire.scheduling"] is None


def test_processing_that_began_before_the_acknowledgement_waited_for_nothing() -> None:
    early = [row("process", 41, 9, kind="CONSUMER", tags=ABOUT), *ROWS[1:]]
    waits = [span.waited for top in in_order(early) for span in top.walk()]
    assert set(waits) == {None}


def test_a_span_says_which_event_it_is_about() -> None:
    types = {span.name: span.event_type for span in in_order(ROWS)[0].walk()}
    assert types["process"] == "PlaceBooked"
    assert types["insert"] is None


def test_spans_whose_parents_are_lost_stand_at_the_top() -> None:
    tops = in_order([each for each in ROWS if each["name"] != "append"])
    assert [top.name for top in tops] == ["POST /places", "send aspire.scheduling", "process"]
