"""A record on a topic of the running instance whose envelope is good and whose body is not, for an
operator to practise on: `python -m tests.bad_event [KEY]`."""

import asyncio
import os
import sys
from typing import Final
from uuid import uuid4

from aiokafka import AIOKafkaProducer

from deploy.embedded.home import default_home
from deploy.embedded.state import InstanceState
from shared.messaging import security
from shared.settings import Settings

TOPIC: Final = "aspire.scheduling"
TYPE: Final = "uk.aspire.scheduling.NetworkDayHeld.v1"


async def send(settings: Settings, key: str) -> None:
    """Every service that takes TYPE parks it; other keys go on."""
    headers = {
        "ce_id": str(uuid4()),
        "ce_type": TYPE,
        "ce_time": "2026-11-25T09:00:00Z",
        "ce_sequence": "000000000001",
    }
    producer = AIOKafkaProducer(**security.options(settings))
    await producer.start()
    try:
        await producer.send_and_wait(
            TOPIC,
            b"{broken",
            key=key.encode(),
            headers=[(name, value.encode()) for name, value in headers.items()],
        )
    finally:
        await producer.stop()


def main() -> int:
    """Answers 2 where nothing runs."""
    home = default_home(os.environ)
    state = InstanceState.read(home)
    if state is None or state.kafka is None:
        sys.stderr.write(f"Nothing runs in {home}; start it with `aspire up`.\n")
        return 2
    key = sys.argv[1] if len(sys.argv) > 1 else "bad-key"
    asyncio.run(send(state.kafka_settings, key))
    sys.stdout.write(
        f"Sent to {TOPIC} with the key {key}: a NetworkDayHeld that nobody can read.\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
