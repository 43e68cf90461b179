"""A post that a trust's system has reported, and what membership makes of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import Final, Self
from uuid import NAMESPACE_URL, UUID, uuid5

from services.membership.domain.person import Person, Post
from services.membership.domain.school import School
from shared.events import Event
from shared.events.vocabulary import Role
from shared.problems import Refused

POST: Final = uuid5(NAMESPACE_URL, "https://aspire.example/reported-post")


class Outcome(StrEnum):
    """What became of a report; `waiting`: for the report itself, for who it is, or for a name."""

    WAITING = "waiting"
    APPOINTED = "appointed"
    HELD_ALREADY = "held_already"
    ENDED = "ended"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """The post itself, as it was reported last; `to_on` is the last day."""

    reported_id: UUID
    school_id: UUID
    role: Role
    from_on: date
    to_on: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedPost:
    """What is known of a record of a trust so far, and the post that was made of it."""

    record: str
    reported: Reported | None = None
    person_id: UUID | None = None
    name: str | None = None
    email: str | None = None
    told_email: str | None = None
    """The address that the record said last, once it is known who it is."""
    post_id: UUID | None = None
    outcome: Outcome = Outcome.WAITING
    detail: str | None = None

    def settle(
        self, person: Person | None, school: School | None
    ) -> tuple[Self, Person | None, Sequence[Post], Sequence[Event]]:
        """The record, the person, the posts that changed, and what happened.

        A rule that does not allow it is an outcome, which the trust can see, and no error.
        """
        known: Self = self
        called: Sequence[Event] = ()
        if person is not None and self.name is not None:
            known, person, called = self._call(person)
        if known.reported is None or known.person_id is None or not (person or known.name):
            return known, person, (), called
        try:
            known, person, posts, facts = known.settled(known.reported, person, school)
        except Refused as refusal:
            refused = replace(known, outcome=Outcome.REFUSED, detail=refusal.detail)
            return refused, person, (), called
        return known, person, posts, [*called, *facts]

    def _call(self, person: Person) -> tuple[Self, Person, Sequence[Event]]:
        """A trust's system renames nobody, and changes an address that it has said itself."""
        known = replace(self, name=None, email=None, told_email=self.email)
        its_own = person.email in (None, self.told_email)
        if person.name is None or self.email is None or not its_own:
            return known, person, ()
        try:
            person, profile = person.call(person.name, self.email)
        except Refused:
            return known, person, ()
        return known, person, () if profile is None else (profile,)

    def settled(
        self, reported: Reported, person: Person | None, school: School | None
    ) -> tuple[Self, Person, Sequence[Post], Sequence[Event]]:
        """As `settle`, of a record that is whole. Raises a Refused."""
        facts: list[Event] = []
        posts: list[Post] = []
        told_email = self.told_email
        if person is None:
            assert self.person_id is not None
            person, profile = Person.introduce(self.person_id, self.name or "", self.email)
            facts.append(profile)
            told_email = self.email
        person.check_usable()
        post = next((each for each in person.posts if each.post_id == self.post_id), None)
        outcome = self.outcome
        if post is None or _is_another(post, reported):
            if post is not None and post.left_on is None:
                before = reported.from_on - timedelta(days=1)
                post, left = post.leave(max(post.appointed_on, before))
                person = _with(person, post)
                posts.append(post)
                facts.append(left)
            post = _held(person, reported)
            outcome = Outcome.HELD_ALREADY
            if post is None:
                person, post, appointed = _appoint(self.record, person, school, reported)
                outcome = Outcome.APPOINTED
                posts.append(post)
                facts.append(appointed)
        if reported.to_on is not None and post.left_on is None:
            post, left = post.leave(reported.to_on)
            person = _with(person, post)
            outcome = Outcome.ENDED
            posts.append(post)
            facts.append(left)
        settled = replace(
            self, name=None, email=None, told_email=told_email,
            post_id=post.post_id, outcome=outcome, detail=None,
        )  # fmt: skip
        return settled, person, posts, facts


class SchoolNotKnown(Refused):
    title = "There is no such school"


def _appoint(
    record: str, person: Person, school: School | None, reported: Reported
) -> tuple[Person, Post, Event]:
    if school is None:
        raise SchoolNotKnown(f"There is no school {reported.school_id}.")
    post_id = uuid5(POST, f"{record}/{reported.reported_id}")
    return person.appoint(post_id, school, reported.role, reported.from_on)


def _is_another(post: Post, reported: Reported) -> bool:
    """Whether the report means another post than this: elsewhere, in another role, or once more."""
    again = post.left_on is not None and reported.from_on > post.left_on
    return again or (post.school_id, post.role) != (reported.school_id, reported.role)


def _held(person: Person, reported: Reported) -> Post | None:
    """The same post, if somebody has entered it."""
    for post in person.posts:
        same = (post.school_id, post.role) == (reported.school_id, reported.role)
        if same and post.left_on is None:
            return post
    return None


def _with(person: Person, post: Post) -> Person:
    """The person with the post as it is now."""
    posts = tuple(post if each.post_id == post.post_id else each for each in person.posts)
    return replace(person, posts=posts)
