"""A person: a profile apart from the facts, dated posts at schools, merging and erasure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final, Self
from uuid import UUID

from services.membership.domain.names import checked_name
from services.membership.domain.school import School
from shared.events import Event
from shared.events import membership as events
from shared.events.vocabulary import Role
from shared.problems import Invalid, Refused

_EMAIL: Final = re.compile(r"[^\s@,;<>\"]+@[^\s@,;<>\"]+\.[^\s@,;<>\".]+")
LONGEST_EMAIL: Final = 254
"""RFC 5321, section 4.5.3.1, as errata 1690 has it."""


class PersonIsErased(Refused):
    status = 410
    title = "The person has been erased"


class PersonIsMerged(Refused):
    title = "The person's record was merged into another"


class SamePerson(Invalid):
    title = "These are one record already"


class EmailRefused(Invalid):
    title = "The e-mail address cannot be used"


class PostAlreadyHeld(Refused):
    title = "The person has this post already"


class PostHasEnded(Refused):
    title = "The post has ended"


class PostDatesRefused(Invalid):
    title = "The date does not fit the post"


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A post at a school. `person_id` is the record it was made under, also after a merge;
    `left_on` is the last day in it."""

    post_id: UUID
    person_id: UUID
    school_id: UUID
    role: Role
    appointed_on: date
    left_on: date | None = None

    def leave(self, left_on: date) -> tuple[Self, events.LeaderLeft]:
        if self.left_on is not None:
            raise PostHasEnded(f"The post ended on {self.left_on}. There is nothing to do.")
        if left_on < self.appointed_on:
            raise PostDatesRefused(
                f"The post began on {self.appointed_on} and cannot end before that, on {left_on}.",
                errors=[("#/left_on", f"{self.appointed_on} or later")],
            )
        return replace(self, left_on=left_on), events.LeaderLeft(
            person_id=self.person_id,
            post_id=self.post_id,
            school_id=self.school_id,
            left_on=left_on,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A member of staff or an adviser. `merged_ids` are the records that turned out to be theirs.

    Name and e-mail address are None once erased; they stand in no event but PersonProfile.
    """

    person_id: UUID
    name: str | None
    email: str | None = None
    posts: tuple[Post, ...] = ()
    merged_ids: tuple[UUID, ...] = ()
    merged_into: UUID | None = None
    erased: bool = False

    @classmethod
    def introduce(
        cls, person_id: UUID, name: str, email: str | None
    ) -> tuple[Self, events.PersonProfile]:
        name, email = checked_name(name, "person"), checked_email(email)
        profile = events.PersonProfile(person_id=person_id, name=name, email=email)
        return cls(person_id=person_id, name=name, email=email), profile

    def call(self, name: str, email: str | None) -> tuple[Self, events.PersonProfile | None]:
        """The profile from now on; no event where it is the same."""
        self.check_usable()
        name, email = checked_name(name, "person"), checked_email(email)
        if (name, email) == (self.name, self.email):
            return self, None
        profile = events.PersonProfile(person_id=self.person_id, name=name, email=email)
        return replace(self, name=name, email=email), profile

    def appoint(
        self, post_id: UUID, school: School, role: Role, appointed_on: date
    ) -> tuple[Self, Post, events.LeaderAppointed]:
        self.check_usable()
        school.check_open()
        for known in self.posts:
            same = known.school_id == school.school_id and known.role is role
            if same and (known.left_on is None or appointed_on <= known.left_on):
                until = f" until {known.left_on}" if known.left_on else ""
                raise PostAlreadyHeld(
                    f"The person is {role} at {school.details.name} from {known.appointed_on}"
                    f"{until}. There is nothing to do, or take a later date."
                )
        post = Post(
            post_id=post_id,
            person_id=self.person_id,
            school_id=school.school_id,
            role=role,
            appointed_on=appointed_on,
        )
        appointed = events.LeaderAppointed(
            person_id=self.person_id,
            post_id=post_id,
            school_id=school.school_id,
            role=role,
            appointed_on=appointed_on,
        )
        return replace(self, posts=(*self.posts, post)), post, appointed

    def merge(self, other: Self) -> tuple[Self, Sequence[Event]]:
        """`other` was this person, too; its profile goes, and this one's stays."""
        if other.person_id == self.person_id:
            raise SamePerson(
                "A person is not merged with themselves; name the other record.",
                errors=[("#/merged_person_id", "another person")],
            )
        self.check_usable()
        other.check_usable()
        merged = replace(
            self,
            posts=tuple(
                sorted(
                    (*self.posts, *other.posts), key=lambda post: (post.appointed_on, post.post_id)
                )
            ),
            merged_ids=(*self.merged_ids, other.person_id, *other.merged_ids),
        )
        return merged, (
            events.PeopleMerged(person_id=self.person_id, merged_person_id=other.person_id),
            events.PersonProfileErased(person_id=other.person_id),
        )

    def erase(self) -> tuple[Self, Sequence[Event]]:
        """Every record of the person; the facts stay. No events where it is erased already."""
        if self.erased:
            return self, ()
        if self.merged_into is not None:
            self.check_usable()
        facts: list[Event] = []
        for person_id in (self.person_id, *self.merged_ids):
            facts.append(events.PersonErased(person_id=person_id))
            facts.append(events.PersonProfileErased(person_id=person_id))
        return replace(self, name=None, email=None, erased=True), facts

    def check_usable(self) -> None:
        if self.erased:
            raise PersonIsErased(
                f"Person {self.person_id} has been erased. Nothing can be recorded about them."
            )
        if self.merged_into is not None:
            raise PersonIsMerged(
                f"Person {self.person_id} was merged into {self.merged_into}; use that record."
            )


def checked_email(email: str | None) -> str | None:
    """The address without spaces around it; EmailRefused where it is none."""
    if email is None:
        return None
    email = email.strip()
    if len(email) > LONGEST_EMAIL or not email.isprintable() or not _EMAIL.fullmatch(email):
        raise EmailRefused(
            "This is no e-mail address; it looks like name@example.org.",
            errors=[("#/email", "an e-mail address")],
        )
    return email
