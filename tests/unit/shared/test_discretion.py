"""No log line names anybody: neither what is said nor the errors that are told."""

import json
import logging
from uuid import UUID

import asyncpg
import pytest
from pydantic import BaseModel

from shared.discretion import plain, told, traced
from shared.telemetry import JsonLines, TextLines

TOKEN = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ6b2UifQ.c2ln"


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("GET /people/zoe@secret.example failed", "GET /people/REDACTED failed"),
        ("?email=zoe%40secret.example&page=2", "?email=REDACTED&page=2"),
        ('{"email": "zoe.s+x@mail.secret.example"}', '{"email": "REDACTED"}'),
        (f"Authorization: Bearer {TOKEN}", "Authorization: Bearer REDACTED"),
        (f"token {TOKEN}, expired", "token REDACTED, expired"),
        ("Kafka at 127.0.0.1:9092 does not answer", "Kafka at 127.0.0.1:9092 does not answer"),
    ],
)
def test_addresses_and_tokens_are_left_out(said: str, left: str) -> None:
    assert plain(said) == left


class Person(BaseModel):
    name: str
    age: int


def row_exists() -> asyncpg.PostgresError:
    error = asyncpg.UniqueViolationError(
        'duplicate key value violates unique constraint "person_email"'
    )
    error.detail = "Key (email)=(zoe@secret.example) already exists."
    error.constraint_name = "person_email"
    return error


def model_refuses() -> Exception:
    try:
        Person.model_validate({"name": ["Zoë"], "age": "Zoë"})
    except ValueError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            row_exists(),
            "UniqueViolationError (person_email): duplicate key value violates unique constraint …",
        ),
        (model_refuses(), "ValidationError: Person: name: string_type; age: int_parsing"),
        (KeyError("Zoë"), "KeyError: …"),
        (ValueError("invalid literal for int() with base 10: 'Zoë'"),
         "ValueError: invalid literal for int() with base 10: …"),
        (asyncpg.UndefinedTableError('relation "tally" does not exist'),
         'UndefinedTableError: relation "tally" does not exist'),
    ],
)  # fmt: skip
def test_an_error_is_told_without_values(error: Exception, line: str) -> None:
    assert told(error) == line


def test_a_traceback_has_its_causes_and_places_and_no_values() -> None:
    name = "Zo" + chr(0xEB)
    try:
        try:
            raise row_exists()
        except asyncpg.PostgresError as error:
            raise ExceptionGroup("two", [KeyError(name), OSError("no route")]) from error
    except ExceptionGroup as group:
        text = traced(group)
        failed = logging.LogRecord("x", logging.ERROR, "x.py", 1, "Failed", None, None)
        failed.exc_info = (type(group), group, group.__traceback__)
    for part in ("UniqueViolationError (person_email)", "KeyError: …", "OSError: no route",
                 "test_discretion.py", "in test_a_traceback"):  # fmt: skip
        assert part in text
    for formatter in (JsonLines("cpd"), TextLines("cpd")):
        assert "no route" in (line := formatter.format(failed))
        assert not [word for word in ("Zoë", "zoe", "secret.example") if word in line]


def test_a_line_about_an_event_has_its_id_and_its_trace() -> None:
    parked = logging.LogRecord("x", logging.ERROR, "x.py", 1, "Parked", None, None)
    given = {"event_id": str(UUID(int=7)), "trace_id": "ab" * 16}
    parked.__dict__.update(given)
    assert json.loads(JsonLines("cpd").format(parked)).items() >= given.items()
    assert "[abababab] [00000000] Parked" in TextLines("cpd").format(parked)
