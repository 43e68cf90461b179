"""A network: established on a date, served by advisers, closable once no school is in it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Self
from uuid import UUID

from services.membership.domain.names import checked_name
from shared.events import membership as events
from shared.events.vocabulary import Region
from shared.problems import Invalid, Refused


class NetworkIsClosed(Refused):
    title = "The network is closed"


class NetworkHasMembers(Refused):
    title = "The network still has member schools"


class NetworkDatesRefused(Invalid):
    title = "The date does not fit the network"


class AdviserAlreadyAssigned(Refused):
    title = "The adviser is assigned to the network already"


class AdviserNotAssigned(Refused):
    title = "The adviser is not assigned to the network"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """An adviser of a network; `unassigned_on` is the first day on which they no longer are."""

    person_id: UUID
    assigned_on: date
    unassigned_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A named regional group of member schools; `closed_on` is its last day."""

    network_id: UUID
    name: str
    region: Region
    established_on: date
    closed_on: date | None = None
    assignments: tuple[Assignment, ...] = ()

    @classmethod
    def establish(
        cls, network_id: UUID, name: str, region: Region, established_on: date
    ) -> tuple[Self, events.NetworkEstablished]:
        name = checked_name(name, "network")
        network = cls(
            network_id=network_id, name=name, region=region, established_on=established_on
        )
        return network, events.NetworkEstablished(
            network_id=network_id, name=name, region=region, established_on=established_on
        )

    def rename(self, name: str) -> tuple[Self, events.NetworkRenamed | None]:
        """No event where it has the name already."""
        name = checked_name(name, "network")
        if name == self.name:
            return self, None
        renamed = events.NetworkRenamed(network_id=self.network_id, name=name)
        return replace(self, name=name), renamed

    def close(self, closed_on: date, members: int) -> tuple[Self, events.NetworkClosed]:
        """`members` are the schools whose membership of it goes on, or ends after `closed_on`."""
        self._check_open()
        if members:
            raise NetworkHasMembers(
                f"{members} member schools are in the network {self.name} after {closed_on}. Move "
                "them to another network, complete or end their memberships, or close it when the "
                "last of these has ended."
            )
        if closed_on < self.established_on:
            raise NetworkDatesRefused(
                f"The network {self.name} was established on {self.established_on} and cannot "
                f"close before that, on {closed_on}.",
                errors=[("#/closed_on", f"{self.established_on} or later")],
            )
        closed = events.NetworkClosed(network_id=self.network_id, closed_on=closed_on)
        return replace(self, closed_on=closed_on), closed

    def assign(
        self, person_id: UUID, assigned_on: date, merged_ids: Collection[UUID] = ()
    ) -> tuple[Self, events.AdviserAssigned]:
        """`merged_ids` are the other records of the person."""
        self._check_open()
        if assigned_on < self.established_on:
            raise NetworkDatesRefused(
                f"The network {self.name} was established on {self.established_on}: an adviser "
                f"cannot be assigned before that, on {assigned_on}.",
                errors=[("#/assigned_on", f"{self.established_on} or later")],
            )
        for known in self.assignments:
            if known.person_id in (person_id, *merged_ids) and (
                known.unassigned_on is None or assigned_on < known.unassigned_on
            ):
                raise AdviserAlreadyAssigned(
                    f"Person {person_id} has been an adviser of the network {self.name} since "
                    f"{known.assigned_on}"
                    + (f" and until {known.unassigned_on}" if known.unassigned_on else "")
                    + ". There is nothing to do."
                )
        assignment = Assignment(person_id=person_id, assigned_on=assigned_on)
        assigned = events.AdviserAssigned(
            network_id=self.network_id, person_id=person_id, assigned_on=assigned_on
        )
        return replace(self, assignments=(*self.assignments, assignment)), assigned

    def unassign(
        self, person_id: UUID, unassigned_on: date, merged_ids: Collection[UUID] = ()
    ) -> tuple[Self, Sequence[events.AdviserUnassigned]]:
        """Under each record of the person, `merged_ids` among them, that is assigned."""
        current = [
            each
            for each in self.assignments
            if each.person_id in (person_id, *merged_ids) and each.unassigned_on is None
        ]
        if not current:
            raise AdviserNotAssigned(
                f"Person {person_id} is no adviser of the network {self.name} at the moment."
            )
        latest = max(each.assigned_on for each in current)
        if unassigned_on < latest:
            raise NetworkDatesRefused(
                f"The adviser was assigned on {latest} and cannot be unassigned "
                f"before that, on {unassigned_on}.",
                errors=[("#/unassigned_on", f"{latest} or later")],
            )
        assignments = tuple(
            replace(each, unassigned_on=unassigned_on) if each in current else each
            for each in self.assignments
        )
        return replace(self, assignments=assignments), [
            events.AdviserUnassigned(
                network_id=self.network_id, person_id=each.person_id, unassigned_on=unassigned_on
            )
            for each in current
        ]

    def check_has(self, day: date, field: str) -> None:
        """Whether a school may be in it from `day` on; `field` names the date in the request."""
        self._check_open()
        if day < self.established_on:
            raise NetworkDatesRefused(
                f"The network {self.name} was established on {self.established_on}: no school can "
                f"be in it before that, on {day}. Take a later date.",
                errors=[(f"#/{field}", f"{self.established_on} or later")],
            )

    def _check_open(self) -> None:
        if self.closed_on is not None:
            raise NetworkIsClosed(
                f"The network {self.name} closed on {self.closed_on}. Choose another network."
            )
