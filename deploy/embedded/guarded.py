"""The embedded Kafka's listeners where every client says who it is, and how ours come in.

The administrator's password stands in the broker's own settings, so that a folder that was made
without users can be opened with them; the others' are kept by Kafka (SCRAM).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from shared.settings import Settings

ADMIN: Final = "aspire"
"""Who may do everything, and gives leave to the others."""

OPEN: Final[dict[str, Any]] = dict.fromkeys(
    (
        "kafka_sasl_mechanism",
        "kafka_sasl_username",
        "kafka_sasl_password",
        "kafka_sasl_password_file",
        "kafka_ssl_ca_file",
    )
) | {"kafka_security_protocol": "PLAINTEXT"}
"""The settings of a Kafka that asks nobody, whatever the environment says."""

_LOGIN: Final = "org.apache.kafka.common.security"


@dataclass(frozen=True, slots=True)
class Login:
    """A user of the embedded Kafka and its password."""

    user: str
    password: str

    @property
    def settings(self) -> dict[str, Any]:
        """Settings' fields with which a client comes in, whatever the environment says."""
        return OPEN | {
            "kafka_security_protocol": "SASL_PLAINTEXT",
            "kafka_sasl_mechanism": "PLAIN" if self.user == ADMIN else "SCRAM-SHA-512",
            "kafka_sasl_username": self.user,
            "kafka_sasl_password": self.password,
        }

    def in_environment(self, environment: Mapping[str, str]) -> dict[str, str]:
        """The same for a process, in place of what the environment says of it."""
        mine = {f"ASPIRE_{name.upper()}": value for name, value in self.settings.items()}
        others = {name: value for name, value in environment.items() if name not in mine}
        return others | {name: value for name, value in mine.items() if value}


def settings_of(home: Path, kafka: str, login: Login | None) -> Settings:
    """The settings of an instance's services at its Kafka: `login`'s, or the environment's."""
    return Settings(home=home, kafka=kafka, **(login.settings if login else {}))


def guarded(bootstrap: str, controller_port: int, password: str) -> dict[str, str]:
    """The broker's properties; what is not expressly allowed is refused."""
    admin = (
        f'{_LOGIN}.plain.PlainLoginModule required username="{ADMIN}" password="{password}" '
        f'user_{ADMIN}="{password}";'
    )
    clients, controller = "listener.name.sasl_plaintext", "listener.name.controller"
    return {
        "listeners": f"SASL_PLAINTEXT://{bootstrap},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"SASL_PLAINTEXT://{bootstrap}",
        "listener.security.protocol.map": "SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
        "inter.broker.listener.name": "SASL_PLAINTEXT",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "sasl.mechanism.controller.protocol": "PLAIN",
        f"{clients}.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
        f"{clients}.plain.sasl.jaas.config": admin,
        f"{clients}.scram-sha-512.sasl.jaas.config": f"{_LOGIN}.scram.ScramLoginModule required;",
        f"{controller}.sasl.enabled.mechanisms": "PLAIN",
        f"{controller}.plain.sasl.jaas.config": admin,
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:{ADMIN}",
    }
