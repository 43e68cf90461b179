"""Where the platform is: as the environment says, or else as the instance in ASPIRE_HOME does."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Self

import typer

from deploy.cli.trouble import CannotDo
from deploy.embedded.guarded import settings_of
from deploy.embedded.home import default_home
from deploy.embedded.instance import SERVICES
from deploy.embedded.state import ChildState, InstanceState
from shared.settings import Settings, checked_database_url

if TYPE_CHECKING:
    from shared.web.issuer import LocalIssuer

LOCAL_ISSUER: Final = "https://aspire.localhost"
ServiceName = Annotated[str, typer.Argument(help=", ".join(SERVICES))]


@dataclass(frozen=True)
class Platform:
    """The running platform that commands speak to, here or elsewhere."""

    home: Path
    state: InstanceState | None
    environment: Mapping[str, str]

    @classmethod
    def here(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """What ASPIRE_HOME and the other variables point to."""
        home = default_home(environment)
        return cls(home, InstanceState.read(home), environment)

    def url(self, service: str) -> str:
        """Where the service's HTTP is: `ASPIRE_<SERVICE>_URL`, or that of the instance."""
        variable = f"ASPIRE_{service.upper()}_URL"
        if given := self.environment.get(variable):
            return given.rstrip("/")
        child = self.child(service)
        if child is not None and child.address:
            return child.address
        raise CannotDo(
            f"{self._nothing(service)} Start the platform with `aspire up`, "
            f"or set {variable} to where {service} runs."
        )

    def database_url(self, service: str) -> str:
        """The service's database: `ASPIRE_<SERVICE>_DATABASE_URL`, or that of the instance."""
        variable = f"ASPIRE_{service.upper()}_DATABASE_URL"
        if given := self.environment.get(variable):
            return checked_database_url(variable, given)
        if self.state is not None and service in self.state.database_urls:
            return self.state.database_urls[service]
        raise CannotDo(
            f"{self._nothing(service)} Start the platform with `aspire up`, or set {variable}."
        )

    @property
    def kafka(self) -> str:
        """Bootstrap servers: `ASPIRE_KAFKA`, or those of the instance."""
        if given := self.environment.get("ASPIRE_KAFKA"):
            return given
        if self.state is not None and self.state.kafka:
            return self.state.kafka
        raise CannotDo(
            f"{self._nothing('Kafka')} Start the platform with `aspire up`, or set ASPIRE_KAFKA "
            "to host:port of the brokers."
        )

    @property
    def zipkin(self) -> str:
        """Where Zipkin is: as `OTEL_EXPORTER_ZIPKIN_ENDPOINT` says, or that of the instance."""
        if given := self.environment.get("OTEL_EXPORTER_ZIPKIN_ENDPOINT"):
            return given.partition("/api/")[0].rstrip("/")
        for child in () if self.state is None else self.state.children:
            if child.name == "zipkin" and child.address and child.identity.alive():
                return child.address
        raise CannotDo(
            f"{self._nothing('Zipkin')} `aspire up` starts it, unless --no-tracing leaves it out "
            "or variables OTEL_… send traces elsewhere: they are found there then."
        )

    @property
    def settings(self) -> Settings:
        """The settings that services run with, at this platform's Kafka; at an instance's own one
        as its administrator."""
        own = None if self.environment.get("ASPIRE_KAFKA") else self.state
        return settings_of(self.home, self.kafka, own.kafka_admin if own is not None else None)

    def child(self, service: str) -> ChildState | None:
        """The process of the instance that answers a service's HTTP."""
        children = () if self.state is None else self.state.children
        for child in children:
            if child.name in (service, f"{service}-api") and child.identity.alive():
                return child
        return None

    def token(self, given: str | None, role: str = "office") -> str:
        """`given`, or ASPIRE_TOKEN, or a fresh one of the local issuer."""
        if token := given or self.environment.get("ASPIRE_TOKEN"):
            return token
        return self.issuer().issue(role, f"aspire-cli-{role}")

    def issuer(self) -> "LocalIssuer":
        """The token issuer of this machine. Raises CannotDo where another one is configured."""
        issuer = self.environment.get("ASPIRE_ISSUER") or LOCAL_ISSUER
        if issuer != LOCAL_ISSUER:
            raise CannotDo(
                f"Tokens come from {issuer} here (ASPIRE_ISSUER), not from this machine. "
                "Get one there, and give it as --token or in ASPIRE_TOKEN."
            )
        # Only here: it brings all of FastAPI along, and most commands do without.
        from shared.web.issuer import LocalIssuer

        audience = self.environment.get("ASPIRE_AUDIENCE") or "aspire"
        return LocalIssuer(self.home / "issuer", audience=audience)

    def _nothing(self, what: str) -> str:
        if self.state is None:
            return f"No instance runs in {self.home}."
        return f"The instance in {self.home} runs without {what}."


def known_service(name: str) -> str:
    """The name of a service, checked. Raises CannotDo."""
    if name not in SERVICES:
        raise CannotDo(f"There is no service {name}; there are {', '.join(SERVICES)}.")
    return name
