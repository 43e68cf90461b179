"""What differs between one machine, Docker and the national platform: environment variables."""

import os
import re
import ssl
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ModelWrapValidatorHandler,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX: Final = "ASPIRE_"
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
"""Hosts that are reached without a proxy."""
SSL_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_HOST: Final = re.compile(r"([^\s:]*|\[[0-9a-fA-F:]+\])(:[0-9]{1,5})?")


class SettingMissing(Exception):  # noqa: N818 - reads as a claim
    """A setting that has no default is not there; the message names the variable."""


class SettingWrong(Exception):  # noqa: N818 - reads as a claim
    """A setting cannot be what it is; the message names the variable."""


def _brokers(text: str) -> str:
    for broker in text.split(","):
        if not broker.strip() or not _HOST.fullmatch(broker.strip()):
            raise ValueError("it should be host:port, and several are separated by commas")
    return text


def _service_urls(text: str) -> str:
    for each in filter(None, text.split(",")):
        if not re.fullmatch(r"[a-z]+=https?://[^\s,?#]+", each.strip()):
            raise ValueError(
                "it should be like cpd=http://cpd:8000, and several are separated by commas"
            )
    return text


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


Brokers = Annotated[str, AfterValidator(_brokers)]
ServiceUrls = Annotated[str, AfterValidator(_service_urls)]
SecurityProtocol = Annotated[
    Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"], BeforeValidator(_upper)
]
SaslMechanism = Annotated[
    Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], BeforeValidator(_upper)
]
LogLevel = Annotated[
    Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_upper)
]


class Settings(BaseSettings):
    """Read from `ASPIRE_<FIELD>`; see each field. Give arguments instead in tests.

    Raises SettingWrong, naming the variable, where one cannot be what it is.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    home: Path = Path(".aspire")
    """The folder with all state of the embedded servers and of the local token issuer."""

    kafka: Brokers = "localhost:9092"
    """Bootstrap servers, host:port, separated by commas."""
    kafka_security_protocol: SecurityProtocol = "PLAINTEXT"
    """As Kafka's `security.protocol`."""
    kafka_sasl_mechanism: SaslMechanism | None = None
    kafka_sasl_username: str | None = None
    kafka_sasl_password: SecretStr | None = None
    kafka_sasl_password_file: Path | None = None
    """Instead of the password: the file that it stands in, as a mounted secret."""
    kafka_ssl_ca_file: Path | None = None
    """PEM of the authorities that sign the brokers' certificates. None: those of the system."""
    topic_prefix: str = ""
    """Put before each topic's and consumer group's name, so that platforms can share a Kafka."""
    partitions: int = Field(24, ge=1)
    replication_factor: int = Field(1, ge=1)
    metadata_max_age_seconds: float = Field(30, gt=0)
    """How soon partitions that were added to a topic are noticed."""

    http_host: str = "127.0.0.1"
    http_port: int = Field(8000, ge=0, le=65535)
    max_body_bytes: int = Field(1024 * 1024, ge=1)
    """A request's body; a route may allow itself more (`max_body_size=`)."""

    issuer: str = "https://aspire.localhost"
    audience: str = "aspire"
    jwks: str | None = None
    """URL of the issuer's keys: https://… or file:///…. None: the local issuer's in `home`, or,
    for any other issuer, what its OpenID Connect discovery document says."""

    sealing_keys: SecretStr | None = None
    """Keys, separated by commas, under which secrets that have to be kept are sealed: 32 random
    bytes each, in URL-safe base64. The first seals, and each opens."""
    sealing_keys_file: Path | None = None
    """Instead of the keys: the file that they stand in. None: `sealing.keys` in `home`."""
    webhooks_inside: bool = False
    """Whether trusts' webhooks may be on this machine, in private networks and without TLS: for
    trying out. Else they are https:// on public addresses."""

    pool_min_size: int = Field(1, ge=0)
    pool_max_size: int = Field(10, ge=1)
    pool_timeout_seconds: float = Field(10, gt=0)
    """How long a request waits for a free connection before it is told to come back."""
    statement_timeout_seconds: float = Field(15, gt=0)
    transaction_timeout_seconds: float = Field(30, gt=0, le=60)
    """The longest that a command's or a query's transaction may live; PostgreSQL ends it then."""

    batch_size: int = Field(5000, ge=1)
    """Records in one of the consumer's transactions."""
    consumer_session_timeout_seconds: float = Field(10, gt=0)
    consumer_heartbeat_seconds: float = Field(3, gt=0)
    consumer_poll_seconds: float = Field(0.2, gt=0)
    consumer_transaction_timeout_seconds: float = Field(60, gt=0, le=60)
    """60 at most, as for the other: see LATE in shared.web.paging."""
    consumer_retry_seconds: float = Field(0.5, gt=0)
    """How long the consumer waits where the database or Kafka does not let it go on."""
    early_alarm_seconds: float = Field(60, gt=0)
    """A record set aside for longer than this raises an alarm."""

    relay_batch: int = Field(5000, ge=1)
    """Events that the relay reads from the outbox and sends at a time."""
    relay_delivery_seconds: float = Field(30, gt=0)
    """The relay gives up a producer that has not delivered by then, and begins a new one."""
    relay_poll_seconds: float = Field(1, gt=0)

    figures_seconds: float = Field(10, gt=0)
    """How often outbox, parked events and lag are looked at, for metrics and operators."""
    operations_services: ServiceUrls = ""
    """The services that the operators' page shows, as `name=http://host:port`, separated by commas,
    at the addresses where this service reaches them. Empty: itself alone."""
    zipkin: str | None = None
    """Where people open Zipkin. None: where `OTEL_EXPORTER_ZIPKIN_ENDPOINT` sends spans, if set."""
    log_format: Literal["auto", "json", "text"] = "auto"
    """auto: readable on a terminal, JSON otherwise."""
    log_level: LogLevel = "INFO"

    @model_validator(mode="wrap")
    @classmethod
    def _named(cls, values: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(values)
        except ValidationError as error:
            first = error.errors()[0]
            message = str(first["msg"]).removeprefix("Value error, ")
            raise SettingWrong(
                f"{PREFIX}{str(first['loc'][0]).upper()} is “{first['input']}”: "
                f"{message[:1].lower()}{message[1:]}."
            ) from None

    @model_validator(mode="after")
    def _comes_into_kafka(self) -> Self:
        asks_who = (
            "ASPIRE_KAFKA_SASL_MECHANISM",
            "ASPIRE_KAFKA_SASL_USERNAME",
            "ASPIRE_KAFKA_SASL_PASSWORD or ASPIRE_KAFKA_SASL_PASSWORD_FILE",
        )
        password = self.kafka_sasl_password, self.kafka_sasl_password_file
        given = self.kafka_sasl_mechanism, self.kafka_sasl_username, any(password)
        for variable, value in zip(asks_who, given, strict=True):
            if bool(value) != self.kafka_asks_who:
                raise SettingWrong(
                    f"ASPIRE_KAFKA_SECURITY_PROTOCOL is {self.kafka_security_protocol}, and "
                    f"{variable} is {'set' if value else 'not set'}: a mechanism, a user and a "
                    "password belong to SASL_SSL (or SASL_PLAINTEXT), and to nothing else."
                )
        if all(password):
            raise SettingWrong(f"Set one of {asks_who[2]}, not both.")
        if self.kafka_ssl_ca_file and not self.kafka_speaks_tls:
            raise SettingWrong(
                f"ASPIRE_KAFKA_SECURITY_PROTOCOL is {self.kafka_security_protocol}, which is not "
                "TLS, and ASPIRE_KAFKA_SSL_CA_FILE is set: use SSL or SASL_SSL."
            )
        _check_authorities("ASPIRE_KAFKA_SSL_CA_FILE", self.kafka_ssl_ca_file)
        self.kafka_password()
        return self

    @property
    def kafka_speaks_tls(self) -> bool:
        """Whether connections to Kafka are encrypted, and brokers show who they are."""
        return self.kafka_security_protocol in ("SSL", "SASL_SSL")

    @property
    def kafka_asks_who(self) -> bool:
        """Whether a client tells Kafka its user and password."""
        return self.kafka_security_protocol in ("SASL_PLAINTEXT", "SASL_SSL")

    def kafka_password(self) -> str | None:
        """The password of the user, if there is one; read anew where it stands in a file.

        Raises SettingWrong where the file cannot be read or is empty.
        """
        if self.kafka_sasl_password is not None:
            return self.kafka_sasl_password.get_secret_value()
        if self.kafka_sasl_password_file is None:
            return None
        return read_password("ASPIRE_KAFKA_SASL_PASSWORD_FILE", self.kafka_sasl_password_file)

    @property
    def silent_after_seconds(self) -> float:
        """After which what was looked at, or what a replica said, is too old to be true."""
        return 3 * self.figures_seconds + 5

    @property
    def operations_urls(self) -> dict[str, str]:
        """Where the operators' page finds each service."""
        pairs = (each.strip().partition("=") for each in self.operations_services.split(","))
        return {name: url for name, _, url in pairs if name}

    @property
    def zipkin_url(self) -> str | None:
        """Zipkin's address for people, without a slash at its end; None: there is none."""
        sent_to = os.environ.get("OTEL_EXPORTER_ZIPKIN_ENDPOINT", "").partition("/api/")[0]
        return (self.zipkin or sent_to).rstrip("/") or None

    @property
    def local_keys(self) -> Path:
        """The folder of the local issuer's keys."""
        return self.home / "issuer"

    @property
    def jwks_url(self) -> str | None:
        """Where the issuer's keys are; None where discovery has to say it."""
        if self.jwks is not None:
            return self.jwks
        if self.issuer == "https://aspire.localhost":
            return (self.local_keys / "jwks.json").resolve().as_uri()
        return None

    def database_url(self, service: str) -> str:
        """`ASPIRE_<SERVICE>_DATABASE_URL`, a postgresql:// URL.

        Raises SettingMissing or SettingWrong, naming the variable, where it is not set or no URL.
        """
        variable = f"ASPIRE_{service.upper()}_DATABASE_URL"
        url = os.environ.get(variable, "").strip()
        if not url:
            raise SettingMissing(
                f"{variable} is not set: it names the database of the service {service}, "
                f"as in postgresql://{service}:password@host:5432/{service}. "
                "`aspire up` sets it for the services that it starts."
            )
        return checked_database_url(variable, url)


def read_password(variable: str, file: Path) -> str:
    """What stands in the file that the variable names.

    Raises SettingWrong where it cannot be read or is empty.
    """
    try:
        password = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(variable, file, error) from error
    if not password:
        raise SettingWrong(f"{variable} is “{file}”: it is empty.")
    return password


def checked_database_url(variable: str, url: str) -> str:
    """The URL. Raises SettingWrong, without a password, where it cannot be one of a database.

    It may say `sslmode` and `sslrootcert` as PostgreSQL's own clients know them.
    """
    scheme, _, rest = url.partition("://")
    hosts = rest.partition("/")[0].rpartition("@")[2].split(",")
    if scheme not in ("postgresql", "postgres") or not all(map(_HOST.fullmatch, hosts)):
        raise SettingWrong(
            f"{variable} is not the URL of a database: "
            "it should be like postgresql://user:password@host:5432/database."
        )
    asked = dict(parse_qsl(urlsplit(url).query))
    mode = asked.get("sslmode", "prefer")
    if mode not in SSL_MODES:
        raise SettingWrong(f"{variable} has sslmode={mode}: it is one of {', '.join(SSL_MODES)}.")
    if file := asked.get("sslrootcert"):
        _check_authorities(f"sslrootcert in {variable}", Path(file))
    return url


def without_password(url: str) -> str:
    """A database's URL as it may be shown."""
    parts = urlsplit(url)
    user, at, hosts = parts.netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    shown = f"{name}:***" if colon else name
    query = re.sub(r"(password=)[^&]*", r"\1***", parts.query)
    return urlunsplit(parts._replace(netloc=f"{shown}{at}{hosts}", query=query))


def _check_authorities(variable: str, file: Path | None) -> None:
    """Raises SettingWrong where the file has no certificates that could be trusted."""
    if file is None:
        return
    try:
        ssl.create_default_context(cafile=file)
    except OSError as error:  # ssl.SSLError is one, too
        raise _unreadable(variable, file, error) from error


def _unreadable(variable: str, file: Path, error: Exception) -> SettingWrong:
    match error:
        case ssl.SSLError():
            why = "it has no certificates in PEM"
        case OSError():
            why = f"it cannot be read ({error.strerror})"
        case _:
            why = "it is no text in UTF-8"
    return SettingWrong(f"{variable} is “{file}”: {why}.")
