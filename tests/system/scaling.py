"""What replicas of reporting have done with the networks that are established meanwhile."""

import re
import time
from dataclasses import dataclass, field
from uuid import uuid4

import httpx

from tests.system.commands import Aspire, run_sql

SECONDS = 40.0
client = httpx.Client(trust_env=False, timeout=30)


@dataclass
class Networks:
    """Establishes networks, and looks what became of them in reporting."""

    aspire: Aspire
    ids: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        token = self.aspire("token", "--role", "office").stdout.strip()
        self._office = {"Authorization": f"Bearer {token}"}
        self._membership = self.aspire.url("membership")

    def establish(self) -> None:
        """One more."""
        answer = client.post(
            f"{self._membership}/networks",
            json={"name": f"Scaled {uuid4()}", "region": "London", "established_on": "2026-09-01"},
            headers={"Idempotency-Key": str(uuid4()), **self._office},
        )
        self.ids.append(answer.raise_for_status().json()["network_id"])

    def until_each_has_its_effect(self) -> None:
        """Returns when reporting has all of them."""
        dsn = self.aspire.database_url("reporting")
        ids = ", ".join(f"'{each}'" for each in self.ids)
        deadline = time.monotonic() + SECONDS
        while len(run_sql(dsn, f"SELECT FROM network WHERE network_id IN ({ids})")) < len(self.ids):
            assert time.monotonic() < deadline, "not every network has come to reporting"


def replicas(aspire: Aspire, service: str) -> dict[str, str]:
    """The address of each, by its name; all of them ready."""
    found = aspire.json("status")["services"][service]["replicas"]
    assert {each["status"] for each in found} == {"ready"}
    return {each["name"]: each["address"] for each in found}


def applied(address: str) -> int:
    """How many events have taken effect in this replica."""
    metrics = client.get(f"{address}/metrics").text
    line = re.compile(r'^aspire_consumer_events_total\{.*"applied".*\} (\S+)$', re.MULTILINE)
    counts = line.findall(metrics)
    return int(sum(map(float, counts)))
