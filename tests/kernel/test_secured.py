"""Kafka by SASL and TLS, and PostgreSQL by TLS, by settings alone."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio

from deploy.cli.app import invoke
from shared.messaging import cluster
from shared.settings import Settings
from shared.web import LocalIssuer
from tests.conftest import Database, Start, Started, Template, clones, eventually
from tests.infra import Infra
from tests.kernel.flow import Flow, history, working
from tests.kernel.secured import PASSWORD, USER, Secured, secured


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def servers(infra: Infra) -> AsyncIterator[Secured]:
    async with secured(urlsplit(infra.admin_dsn).port or 5432) as found:
        yield found


@pytest.fixture
def settings(settings: Settings, servers: Secured) -> Settings:
    return Settings(
        **settings.model_dump()
        | {
            "kafka": f"{servers.kafka},{servers.kafka}",  # several, as managed ones are
            "kafka_security_protocol": "SASL_SSL",
            "kafka_sasl_mechanism": "SCRAM-SHA-512",
            "kafka_sasl_username": USER,
            "kafka_sasl_password_file": servers.password_file,
            "kafka_ssl_ca_file": servers.ca,
        }
    )


@pytest_asyncio.fixture
async def database(infra: Infra, template: Template, servers: Secured) -> AsyncIterator[Database]:
    async with clones(infra, template) as fresh:

        async def by_tls(service: str) -> str:
            return servers.database_url(await fresh(service))

        yield by_tls


async def test_events_go_through_by_sasl_and_tls(
    flow: Flow, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await flow.publish(*history(5))
    async with working(flow.relay()), working(flow.consumer()):
        await flow.until_ledger_has(5)
    assert await flow.orders() == [[1, 2, 3, 4, 5]]
    for name in ("kafka", "topic_prefix", "partitions"):
        monkeypatch.setenv(f"ASPIRE_{name.upper()}", str(getattr(flow.settings, name)))
    for name in flow.settings.model_fields_set:
        if name.startswith("kafka_") and (value := getattr(flow.settings, name)):
            monkeypatch.setenv(f"ASPIRE_{name.upper()}", str(value))
    monkeypatch.setenv("ASPIRE_CPD_DATABASE_URL", flow.kernel.dsn)
    for command in (["migrate", "cpd"], ["events", "--json"]):
        with ThreadPoolExecutor(1) as thread:  # it runs an event loop of its own
            code = await asyncio.get_running_loop().run_in_executor(thread, invoke, command)
        assert code == 0
    printed = capsys.readouterr()
    assert "up to date" in printed.out
    assert printed.out.count("NetworkRenamed") == 4


async def test_every_mechanism_lets_us_in(settings: Settings) -> None:
    for mechanism in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"):
        chosen = settings.model_copy(update={"kafka_sasl_mechanism": mechanism})
        assert await cluster.answers(chosen) is None, mechanism


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("password", f"refuses the user “{USER}”"),
        ("plain password", f"refuses the user “{USER}”"),
        ("authority", "its certificate is refused (unable to get local issuer"),
        ("name", "its certificate is refused (IP address mismatch"),
        ("file", "cannot be asked"),
        ("no TLS", "a listener without TLS"),
    ],
)
async def test_what_keeps_us_from_kafka_is_said(
    wrong: str, said: str, start: Start, servers: Secured, infra: Infra,
    settings: Settings, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    other = settings.home / "password"
    other.write_text("another")
    changes: dict[str, dict[str, Any]] = {
        "password": {"kafka_sasl_password_file": other},
        "plain password": {
            "kafka_sasl_mechanism": "PLAIN",
            "kafka_sasl_password_file": other,
        },
        "authority": {"kafka_ssl_ca_file": servers.other_ca},
        "name": {"kafka": servers.kafka.replace("localhost", "127.0.0.1")},
        "file": {"kafka_sasl_password_file": settings.home / "gone"},
        "no TLS": {"kafka": infra.kafka},
    }
    async with start("cpd", **changes[wrong]) as cpd:
        parts = await not_ready(cpd, ("relay", "consumer"), said)
        assert parts["api"]["status"] == "degraded"

        async def logged() -> bool:
            return said in caplog.text

        await eventually(logged)
    assert PASSWORD not in caplog.text + str(parts)
    assert "another" not in caplog.text + str(parts)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("password", "refuses us: password authentication failed"),
        ("authority", "its certificate is refused (unable to get local issuer"),
        ("name", "its certificate is refused (IP address mismatch"),
        ("no TLS", "it does not speak TLS"),
    ],
)
async def test_what_keeps_us_from_the_database_is_said(
    wrong: str, said: str, start: Start, servers: Secured, infra: Infra, database: Database,
    issuer: LocalIssuer, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    dsn = await database("cpd")
    password = urlsplit(dsn).password or ""
    plain = urlsplit(infra.admin_dsn)
    urls = {
        "password": dsn.replace(f":{password}@", ":another@"),
        "authority": servers.database_url(dsn, ca=servers.other_ca),
        "name": servers.database_url(dsn, host="127.0.0.1"),
        "no TLS": dsn.replace(f"localhost:{servers.postgres_port}", f"127.0.0.1:{plain.port}"),
    }
    async with start("cpd", dsn=urls[wrong], min_size=0) as cpd:
        parts = await not_ready(cpd, ("api", "relay", "consumer"), said)
        token = issuer.issue("office", "test")
        asked = await cpd.client.get(
            f"/people/{uuid4()}/record", headers={"Authorization": f"Bearer {token}"}
        )
        assert asked.status_code == 503
    assert password not in caplog.text + str(parts)


async def not_ready(service: Started, parts: Sequence[str], said: str) -> dict[str, Any]:
    """Readiness once each of these parts says why; it has to answer, whatever hangs behind it."""

    async def told() -> dict[str, Any] | None:
        found: dict[str, Any] = (await service.client.get("/health/ready")).json()["parts"]
        assert {found[part]["status"] for part in parts} == {"not ready"}
        return found if all(said in found[part]["detail"] for part in parts) else None

    answer: dict[str, Any] = await eventually(told, what=said)
    return answer


async def test_nobody_comes_in_without_tls(servers: Secured, infra: Infra) -> None:
    url = servers.database_url(infra.admin_dsn)
    connection = await asyncpg.connect(url)
    await connection.close()
    with pytest.raises((OSError, asyncpg.PostgresError)):
        await asyncpg.connect(url.replace("verify-full", "disable"), timeout=5)
