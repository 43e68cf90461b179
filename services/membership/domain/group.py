"""A group of schools: a trust, a federation or an informal one. A school can be in several."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Self
from uuid import UUID

from services.membership.domain.names import checked_name
from services.membership.domain.school import School
from shared.events import membership as events
from shared.events.vocabulary import GroupKind
from shared.problems import Invalid, Refused


class SchoolAlreadyInGroup(Refused):
    title = "The school is in the group already"


class SchoolIsNotInGroup(Refused):
    title = "The school is not in the group"


class GroupDatesRefused(Invalid):
    title = "The date does not fit the group"


class RegisterCodeTaken(Refused):
    title = "The register's code names another group"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """A school's time in a group; `left_on` is the first day outside it."""

    group_id: UUID
    school_id: UUID
    joined_on: date
    left_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """`register_code` is what the register of schools calls a trust or a federation by."""

    group_id: UUID
    name: str
    kind: GroupKind
    register_code: str | None = None

    @classmethod
    def register(
        cls, group_id: UUID, name: str, kind: GroupKind, register_code: str | None
    ) -> tuple[Self, events.GroupRegistered]:
        name = checked_name(name, "group")
        group = cls(group_id=group_id, name=name, kind=kind, register_code=register_code)
        return group, events.GroupRegistered(
            group_id=group_id, name=name, kind=kind, register_code=register_code
        )

    def rename(self, name: str) -> tuple[Self, events.GroupRenamed | None]:
        """No event where it has the name already."""
        name = checked_name(name, "group")
        if name == self.name:
            return self, None
        renamed = events.GroupRenamed(group_id=self.group_id, name=name)
        return replace(self, name=name), renamed

    def take_in(
        self, school: School, joined_on: date, stays: Sequence[Stay]
    ) -> tuple[Stay, events.SchoolJoinedGroup]:
        """`stays` are the school's in this group so far."""
        school.check_open()
        for stay in stays:
            if stay.left_on is None or joined_on < stay.left_on:
                until = f" until {stay.left_on}" if stay.left_on else ""
                raise SchoolAlreadyInGroup(
                    f"{school.details.name} is in the group {self.name} from {stay.joined_on}"
                    f"{until}. There is nothing to do, or take a later date."
                )
        stay = Stay(group_id=self.group_id, school_id=school.school_id, joined_on=joined_on)
        return stay, events.SchoolJoinedGroup(
            group_id=self.group_id, school_id=school.school_id, joined_on=joined_on
        )

    def let_go(
        self, school: School, left_on: date, stays: Sequence[Stay]
    ) -> tuple[Stay, events.SchoolLeftGroup]:
        """`left_on` is the first day outside the group."""
        stay = next((stay for stay in stays if stay.left_on is None), None)
        if stay is None:
            raise SchoolIsNotInGroup(f"{school.details.name} is not in the group {self.name}.")
        if left_on < stay.joined_on:
            raise GroupDatesRefused(
                f"The school joined the group on {stay.joined_on} and cannot leave before that, "
                f"on {left_on}.",
                errors=[("#/left_on", f"{stay.joined_on} or later")],
            )
        return replace(stay, left_on=left_on), events.SchoolLeftGroup(
            group_id=self.group_id, school_id=school.school_id, left_on=left_on
        )
