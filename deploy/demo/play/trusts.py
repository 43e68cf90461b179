"""Two trusts' systems: they are connected, and know at the end exactly what is their own."""

import asyncio
import time
from typing import Final
from uuid import UUID

from deploy.cli.trust_kafka import connect_user
from deploy.demo.play.staff import CODES, POLL_SECONDS, external_id
from deploy.demo.play.stage import Done, Stage
from deploy.demo.trusts import KafkaSystem, Known, System, WebhookSystem
from deploy.demo.trusts.system import Account
from deploy.embedded.trouble import Trouble
from shared.events.vocabulary import GroupKind

CONNECTED: Final = 2
"""Trusts whose systems join; the others' people do without."""
SECONDS_TO_LEARN: Final = 120.0


class NotItsOwn(Trouble):
    """A trust knows less or more than what is its own."""


async def connect_trusts(stage: Stage, done: Done) -> None:
    """One trust joins by HTTP and webhooks, the other by Kafka."""
    trusts = [n for n, each in enumerate(stage.plan.groups) if each.kind is GroupKind.TRUST]
    first, second = trusts[:CONNECTED]
    await _join(stage, first, WebhookSystem(await _account(stage, first)))
    done()
    account = await _account(stage, second)
    user, password = await connect_user(stage.kafka, UUID(account.trust_id))
    kafka = stage.kafka.kafka
    await _join(stage, second, KafkaSystem(account, kafka=kafka, user=user, password=password))
    done()


async def trusts_know(stage: Stage, done: Done) -> None:
    """What each trust was told adds up to its own. Raises NotItsOwn."""
    for group, system in stage.systems.items():
        await _knows(system, _own(stage, group), stage.plan.groups[group].name)
        done()


async def _account(stage: Stage, group: int) -> Account:
    """The office connects a trust, whose people say what its role codes mean."""
    clients, trust_id = stage.clients, stage.groups[group]
    schools = sum(each.group == group for each in stage.plan.schools)
    path = f"/trusts/{trust_id}"
    await clients.until(
        "integration",
        f"{path}/connection",
        lambda found: len(found["schools"]) == schools,
        "of a trust and its schools",
    )
    made = await clients.post("integration", f"{path}/connection", clients.office)
    roles = {code: role for role, code in CODES.items()}
    await clients.put("integration", f"{path}/roles", clients.trust(trust_id), roles=roles)
    return Account(url=clients.url("integration"), trust_id=trust_id, secret=made["secret"])


async def _join(stage: Stage, group: int, system: System) -> None:
    stage.systems[group] = await stage.stays.enter_async_context(system)


def _own(stage: Stage, group: int) -> Known:
    schools = {each.number for each in stage.plan.schools if each.group == group}
    return stage.tally.known_to(
        {stage.school_id(number) for number in schools},
        {
            external_id(leader): stage.people[leader.number]
            for leader in stage.plan.leaders
            if leader.school in schools
        },
    )


async def _knows(system: System, own: Known, name: str) -> None:
    deadline = time.monotonic() + SECONDS_TO_LEARN
    while wrong := system.records.known().differences(own):
        if time.monotonic() > deadline:
            raise NotItsOwn(
                f"{name}, which is told by {system.way}, does not know within "
                f"{SECONDS_TO_LEARN:.0f} s exactly what is its own: {'; '.join(wrong)}. "
                "`aspire status` shows how integration is."
            )
        await asyncio.sleep(POLL_SECONDS)
