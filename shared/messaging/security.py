"""How every client of ours comes into Kafka: over TLS or not, as whom, and trusting whom."""

import asyncio
import ssl
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

from shared import tls
from shared.settings import Settings, SettingWrong

REFUSED = (SaslAuthenticationFailed, IllegalSaslStateError, UnsupportedSaslMechanismError)
ANSWER_MS = 2000
"""For one broker to say who it is and what is there; aiokafka would give it 40 seconds."""


class Unprepared(KafkaError):  # type: ignore[misc]  # noqa: N818 - reads as a claim
    """The file of a password or of authorities, which was there once, cannot be read."""


def options(settings: Settings) -> dict[str, Any]:
    """aiokafka's options of any client: where Kafka is, and how to come in.

    The files of the password and of the authorities are read anew, so that what is renewed there
    holds from the next client on. Raises Unprepared.
    """
    try:
        return {
            "bootstrap_servers": settings.kafka,
            "security_protocol": settings.kafka_security_protocol,
            **(_tls(settings) if settings.kafka_speaks_tls else {}),
            **(_sasl(settings) if settings.kafka_asks_who else {}),
        }
    except (SettingWrong, OSError) as error:
        raise Unprepared(str(error)) from error


def _sasl(settings: Settings) -> dict[str, Any]:
    return {
        "sasl_mechanism": settings.kafka_sasl_mechanism,
        "sasl_plain_username": settings.kafka_sasl_username,
        "sasl_plain_password": settings.kafka_password(),
    }


def _tls(settings: Settings) -> dict[str, Any]:
    file = settings.kafka_ssl_ca_file
    return {"ssl_context": _context(file, file.stat().st_mtime_ns if file else 0)}


@lru_cache(maxsize=2)
def _context(ca_file: Path | None, _changed_at: int) -> ssl.SSLContext:
    """Checks certificate and name. Reading a system's authorities takes tens of milliseconds."""
    return ssl.create_default_context(cafile=ca_file)


async def why(settings: Settings, error: Exception) -> str:
    """Why no broker answers, in words that follow its address, with the way out where we know it.

    aiokafka's clients only log that a broker did not let them in, and raise that none can be
    reached; so one is asked again.
    """
    if isinstance(error, Unprepared):
        return f"cannot be asked: {error.args[0]}"
    if settings.kafka_security_protocol != "PLAINTEXT" and isinstance(error, KafkaError):
        with suppress(KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(ANSWER_MS / 1000):
                error = await _refusal(settings) or error
    if isinstance(error, REFUSED):
        return (
            f"refuses the user “{settings.kafka_sasl_username}” ({error}): check "
            "ASPIRE_KAFKA_SASL_MECHANISM, ASPIRE_KAFKA_SASL_USERNAME and its password"
        )
    if untrusted := tls.trouble(error):
        return (
            f"cannot be trusted: {untrusted}. ASPIRE_KAFKA has to name the brokers as their "
            "certificates do, and ASPIRE_KAFKA_SSL_CA_FILE those who signed them"
        )
    if isinstance(error, ConnectionResetError) and settings.kafka_speaks_tls:
        return "breaks off as TLS begins, as a listener without TLS does"
    return f"does not answer ({type(error).__name__})"


async def _refusal(settings: Settings) -> Exception | None:
    """What the first broker that does not let us in raises."""
    access = options(settings)
    for host, port, _ in collect_hosts(access.pop("bootstrap_servers")):
        try:
            connection = await create_conn(host, port, request_timeout_ms=ANSWER_MS, **access)
        except (*REFUSED, ssl.SSLError, ConnectionResetError) as error:
            return error
        connection.close()
    return None
