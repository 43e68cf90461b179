"""Servers that let in by TLS and passwords only, with certificates that are made here."""

import asyncio
import shutil
import ssl
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import trustme
from cryptography.hazmat.primitives import serialization

from deploy.embedded.home import Ports
from deploy.embedded.kafka import Kafka
from deploy.embedded.supervisor import Supervisor
from tests.infra import in_memory

HOST = "localhost"
"""The only name in the servers' certificates; 127.0.0.1 is not in them."""

USER = "aspire"
PASSWORD = "one-that-nobody-may-read"
SSL_REQUEST = bytes.fromhex("00000008 04d2162f")
"""With which a client of PostgreSQL asks for TLS, before anything else."""


@dataclass(frozen=True)
class Secured:
    """`kafka` and `postgres_port` take nobody without TLS; `ca` has signed them, `other_ca` not."""

    kafka: str
    postgres_port: int
    ca: Path
    other_ca: Path
    password_file: Path

    def database_url(self, url: str, host: str = HOST, ca: Path | None = None) -> str:
        """A URL of the server behind, as one to be come to by TLS."""
        parts = urlsplit(url)
        user = parts.netloc.rpartition("@")[0]
        return parts._replace(
            netloc=f"{user}@{host}:{self.postgres_port}",
            query=f"sslmode=verify-full&sslrootcert={ca or self.ca}",
        ).geturl()


@asynccontextmanager
async def secured(postgres_port: int) -> AsyncIterator[Secured]:
    """A Kafka of its own, and TLS before the PostgreSQL on that port.

    The embedded PostgreSQL is built without TLS. What stands before it speaks PostgreSQL's own
    start of TLS, as the poolers and proxies of managed servers do.
    """
    folder = Path(tempfile.mkdtemp(prefix="aspire-tests-", dir=in_memory()))
    authority = trustme.CA()
    certificate = authority.issue_cert(HOST)
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    trustme.CA().cert_pem.write_to_path(str(folder / "other.pem"))
    (folder / "password").write_text(f"{PASSWORD}\n")
    ports = Ports(folder / "ports.json", {})
    port, plain, controller = (ports.choose(name) for name in ("tls", "plain", "controller"))
    try:
        async with (
            Supervisor(folder / "log") as supervisor,
            _tls_before(postgres_port, certificate) as front,
        ):
            kafka = Kafka(
                supervisor,
                folder / "kafka",
                port=plain,
                controller_port=controller,
                settings={
                    "listeners": f"PLAINTEXT://127.0.0.1:{plain},SASL_SSL://127.0.0.1:{port},"
                    f"CONTROLLER://127.0.0.1:{controller}",
                    "advertised.listeners": f"PLAINTEXT://127.0.0.1:{plain},"
                    f"SASL_SSL://{HOST}:{port}",
                    **_secure_listener(_key_store(certificate, folder)),
                },
                users={USER: PASSWORD},
            )
            await kafka.start()
            yield Secured(
                kafka=f"{HOST}:{port}",
                postgres_port=front,
                ca=folder / "ca.pem",
                other_ca=folder / "other.pem",
                password_file=folder / "password",
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _secure_listener(key_store: Path) -> dict[str, str]:
    """Our own supervisor asks at the plain listener; clients are given this one."""
    secure = "listener.name.sasl_ssl"
    login = "org.apache.kafka.common.security"
    return {
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,"
        "SASL_SSL:SASL_SSL",
        f"{secure}.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
        f"{secure}.plain.sasl.jaas.config": f"{login}.plain.PlainLoginModule required "
        f'user_{USER}="{PASSWORD}";',
        f"{secure}.scram-sha-256.sasl.jaas.config": f"{login}.scram.ScramLoginModule required;",
        f"{secure}.scram-sha-512.sasl.jaas.config": f"{login}.scram.ScramLoginModule required;",
        f"{secure}.ssl.keystore.type": "PEM",
        f"{secure}.ssl.keystore.location": str(key_store),
    }


def _key_store(certificate: trustme.LeafCert, folder: Path) -> Path:
    """Kafka reads a key in PKCS #8 only."""
    key = serialization.load_pem_private_key(certificate.private_key_pem.bytes(), None)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    chain = [each.bytes() for each in certificate.cert_chain_pems]
    path = folder / "kafka.pem"
    path.write_bytes(b"".join([pem, *chain]))
    return path


@asynccontextmanager
async def _tls_before(port: int, certificate: trustme.LeafCert) -> AsyncIterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, EOFError):
            if await reader.readexactly(len(SSL_REQUEST)) == SSL_REQUEST:
                writer.write(b"S")
                await writer.start_tls(context)
                back, forth = await asyncio.open_connection("127.0.0.1", port)
                await asyncio.gather(_carry(reader, forth), _carry(back, writer))
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1")
    async with server:
        yield server.sockets[0].getsockname()[1]


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
