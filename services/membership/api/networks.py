"""Networks and their advisers."""

from datetime import date
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from services.membership.api.days import ProgrammeDay
from services.membership.api.sight import READERS, sight_of
from services.membership.domain.network import Network
from services.membership.store import networks as store
from services.membership.store import people
from shared.events.vocabulary import Region
from shared.web import Actor, Body, CommandRoute, Page, PageQuery, Read, Today, Tx, require

router = APIRouter(route_class=CommandRoute, prefix="/networks", tags=["networks"])
OFFICE = Depends(require("office"))


class NetworkToEstablish(Body):
    name: str = Field(examples=["Solent"])
    region: Region
    established_on: ProgrammeDay


class NetworkToRename(Body):
    name: str


class NetworkToClose(Body):
    closed_on: ProgrammeDay = Field(description="The network's last day")


class AdviserToAssign(Body):
    person_id: UUID
    assigned_on: ProgrammeDay


class AdviserToUnassign(Body):
    unassigned_on: ProgrammeDay = Field(
        description="The first day on which the adviser no longer is"
    )


class AdviserOut(BaseModel):
    person_id: UUID
    assigned_on: date
    unassigned_on: date | None


class NetworkOut(BaseModel):
    network_id: UUID
    name: str
    region: Region
    established_on: date
    closed_on: date | None
    advisers: list[AdviserOut]

    @classmethod
    def of(cls, network: Network) -> "NetworkOut":
        return cls(
            network_id=network.network_id,
            name=network.name,
            region=network.region,
            established_on=network.established_on,
            closed_on=network.closed_on,
            advisers=[
                AdviserOut(
                    person_id=each.person_id,
                    assigned_on=each.assigned_on,
                    unassigned_on=each.unassigned_on,
                )
                for each in network.assignments
            ],
        )

    @classmethod
    def seen_by(cls, actor: Actor, network: Network) -> "NetworkOut":
        """Operations sees nothing of people, ids of advisers neither."""
        out = cls.of(network)
        return out.model_copy(update={"advisers": []}) if actor.role == "operations" else out


@router.post("", status_code=201, summary="Establish a network", dependencies=[OFFICE])
async def establish_network(body: NetworkToEstablish, tx: Tx) -> NetworkOut:
    network, established = Network.establish(uuid4(), body.name, body.region, body.established_on)
    await store.add_network(tx.connection, network)
    tx.record(established)
    return NetworkOut.of(network)


@router.get("", summary="List the networks")
async def list_networks(
    read: Read,
    today: Today,
    page: PageQuery,
    actor: Annotated[Actor, Depends(require(*READERS))],
    region: Region | None = None,
) -> Page[NetworkOut]:
    sight = await sight_of(read, actor, today)
    networks = await store.networks(read, page, visible=sight.networks, region=region)
    return Page.of(
        page,
        networks,
        lambda network: NetworkOut.seen_by(actor, network),
        key=lambda network: network.network_id,
    )


@router.get("/{network_id}", summary="Look at a network")
async def get_network(
    network_id: UUID,
    read: Read,
    today: Today,
    actor: Annotated[Actor, Depends(require(*READERS))],
) -> NetworkOut:
    (await sight_of(read, actor, today)).check_network(network_id)
    return NetworkOut.seen_by(actor, await store.network(read, network_id))


@router.patch("/{network_id}", summary="Rename a network", dependencies=[OFFICE])
async def rename_network(network_id: UUID, body: NetworkToRename, tx: Tx) -> NetworkOut:
    network = await store.network(tx.connection, network_id, "FOR UPDATE")
    network, renamed = network.rename(body.name)
    if renamed:
        await store.save_network(tx.connection, network)
        tx.record(renamed)
    return NetworkOut.of(network)


@router.post(
    "/{network_id}/closure",
    summary="Close a network that has no member schools any more",
    dependencies=[OFFICE],
)
async def close_network(network_id: UUID, body: NetworkToClose, tx: Tx) -> NetworkOut:
    network = await store.network(tx.connection, network_id, "FOR UPDATE")
    members = await store.count_members(tx.connection, network_id, body.closed_on)
    network, closed = network.close(body.closed_on, members)
    await store.save_network(tx.connection, network)
    tx.record(closed)
    return NetworkOut.of(network)


@router.post(
    "/{network_id}/advisers", summary="Assign an adviser to a network", dependencies=[OFFICE]
)
async def assign_adviser(network_id: UUID, body: AdviserToAssign, tx: Tx) -> NetworkOut:
    network = await store.network(tx.connection, network_id, "FOR UPDATE")
    person = await people.locked_person(tx.connection, body.person_id)
    person.check_usable()
    network, assigned = network.assign(person.person_id, body.assigned_on, person.merged_ids)
    await store.save_network(tx.connection, network)
    tx.record(assigned)
    return NetworkOut.of(network)


@router.post(
    "/{network_id}/advisers/{person_id}/unassignment",
    summary="End an adviser's assignment to a network",
    dependencies=[OFFICE],
)
async def unassign_adviser(
    network_id: UUID, person_id: UUID, body: AdviserToUnassign, tx: Tx
) -> NetworkOut:
    network = await store.network(tx.connection, network_id, "FOR UPDATE")
    person = await people.person(tx.connection, person_id)
    if person.merged_into is not None:
        person = await people.person(tx.connection, person.merged_into)
    network, unassigned = network.unassign(person.person_id, body.unassigned_on, person.merged_ids)
    await store.save_network(tx.connection, network)
    tx.record(*unassigned)
    return NetworkOut.of(network)
