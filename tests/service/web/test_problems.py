"""Bad requests are answered by problems that say what is wrong, all of it at once."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.service.web.things import Api


def problem(response: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert (response.status_code, body["status"]) == (status, status), body
    assert body["type"] == f"https://aspire.example/problems/{slug}"
    assert body["title"]
    assert body["detail"]
    return body


async def test_all_faulty_fields_are_named_at_once(api: Api) -> None:
    response = await api.client.post(
        "/things",
        json={"name": "", "size": 11, "tags": ["fine", "too long"]},
        headers={**api.token(), "Idempotency-Key": "1"},
    )
    errors = problem(response, 422, "request-not-valid")["errors"]
    assert [error["pointer"] for error in errors] == ["#/name", "#/size", "#/tags/1"]
    assert all(error["detail"].endswith(".") for error in errors)


async def test_a_faulty_parameter_is_named(api: Api) -> None:
    response = await api.client.get("/things?limit=0", headers=api.token())
    errors = problem(response, 422, "request-not-valid")["errors"]
    assert [error["pointer"] for error in errors] == ["/query/limit"]


@pytest.mark.parametrize(
    ("body", "content_type", "status", "slug"),
    [
        (b"", "application/json", 422, "request-not-valid"),
        (b"{", "application/json", 400, "body-not-json"),
        (b"\xff\xfe", "application/json", 400, "body-not-json"),
        (b"[" * 5000, "application/json", 400, None),
        (b'{"name": "lamp"}', "text/plain", 415, "media-type-not-supported"),
        (b'{"name": "\\u0000"}', "application/json", 422, "character-not-storable"),
        (b'{"name": "\\ud800"}', "application/json", 422, "request-not-valid"),
        (b"[]", "application/json", 422, "request-not-valid"),
        (b"null", "application/json", 422, "request-not-valid"),
    ],
)
async def test_a_body_that_is_no_request(
    api: Api, body: bytes, content_type: str, status: int, slug: str | None
) -> None:
    response = await api.client.post(
        "/things",
        content=body,
        headers={**api.token(), "Idempotency-Key": "1", "Content-Type": content_type},
    )
    problem(response, status, slug or response.json()["type"].rpartition("/")[2])
    assert await api.names() == []


async def in_chunks(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 1000):
        yield b" " * 1000


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_huge_body_is_refused(api: Api, chunked: bool) -> None:
    content: Any = in_chunks(20_000) if chunked else b" " * 20_000
    response = await api.client.post(
        "/things",
        content=content,
        headers={**api.token(), "Idempotency-Key": "1", "Content-Type": "application/json"},
    )
    problem(response, 413, "body-too-large")


async def test_a_route_may_take_more_than_others(api: Api) -> None:
    response = await api.client.post(
        "/imports", json=["x" * 20_000], headers={**api.token(), "Idempotency-Key": "1"}
    )
    assert (response.status_code, response.json()) == (200, 20_000)


async def test_unknown_paths_and_methods(api: Api) -> None:
    problem(await api.client.get("/nothing"), 404, "not-found")
    response = await api.client.put("/things", headers=api.token())
    problem(response, 405, "method-not-allowed")
    assert response.headers["allow"] == "GET, POST"


async def test_a_rule_of_the_domain_speaks_for_itself(api: Api) -> None:
    body = problem(await api.make("taken"), 409, "name-taken")
    assert body["title"] == "The name is taken"
    assert body["detail"].startswith("There is a thing called taken.")


async def test_a_failure_tells_nothing_but_a_number_to_quote(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    response = await api.client.get("/broken", headers=api.token())
    body = problem(response, 500, "unexpected")
    assert "secret" not in response.text
    assert body["request_id"] in body["detail"]
    assert body["request_id"] in caplog.text
    assert "the secret reason" in caplog.text


async def test_a_database_that_is_away_is_said_so(api: Api) -> None:
    await api.pool.close()
    response = await api.client.get("/things", headers=api.token())
    problem(response, 503, "database-away")
    assert response.headers["retry-after"]


async def test_openapi_documents_problems_keys_and_tokens(api: Api) -> None:
    schema = (await api.client.get("/openapi.json")).json()
    assert schema["openapi"].startswith("3.1")
    make = schema["paths"]["/things"]["post"]
    assert make["responses"]["4XX"]["content"]["application/problem+json"]
    assert "422" not in make["responses"]
    assert {"name": "Idempotency-Key", "in": "header", "required": True}.items() <= make[
        "parameters"
    ][0].items()
    assert make["security"] == [{"bearer": []}]
    assert schema["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert "Problem" in schema["components"]["schemas"]
    assert "HTTPValidationError" not in str(schema)
