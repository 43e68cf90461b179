"""What membership would say of the posts that a sandbox's systems report, by membership's rules.

The same post, if the person has it, is held already; another one ends the one before; and what
could not be is passed over.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from uuid import UUID

from services.integration.domain.sandbox import post_of
from services.integration.domain.staff import Staff
from shared.events import Event
from shared.events import membership as m
from shared.events.vocabulary import Role


@dataclass(frozen=True, kw_only=True)
class Post:
    """A post of a fictional person; `records` are the external ids that mean it."""

    post_id: UUID
    person_id: UUID
    school_id: UUID
    role: Role
    appointed_on: date
    left_on: date | None = None
    records: tuple[str, ...] = ()

    @classmethod
    def of(cls, appointed: m.LeaderAppointed) -> "Post":
        return cls(**appointed.model_dump())


@dataclass(frozen=True)
class Said:
    """What is said, in its order, and the posts that have changed."""

    events: Sequence[Event]
    posts: Sequence[Post]


def said_of(
    reported: Iterable[tuple[UUID, Staff]], known: Set[UUID], posts: Iterable[Post]
) -> Said:
    """Of records and the people who they are; `known` are those of the people that membership has a
    profile of, and `posts` are theirs."""
    people = _People(set(known))
    for post in posts:
        people.posts[post.person_id][post.post_id] = post
    for person_id, staff in reported:
        people.settle(person_id, staff)
    events = [*people.profiles, *people.ended, *people.appointed, *people.left]
    return Said(events, list(people.changed.values()))


@dataclass
class _People:
    known: set[UUID]
    posts: dict[UUID, dict[UUID, Post]] = field(default_factory=lambda: defaultdict(dict))
    """Person → id of the post → post."""
    changed: dict[UUID, Post] = field(default_factory=dict)
    profiles: list[Event] = field(default_factory=list)
    ended: list[Event] = field(default_factory=list)
    appointed: list[Event] = field(default_factory=list)
    left: list[Event] = field(default_factory=list)

    def settle(self, person_id: UUID, staff: Staff) -> None:
        theirs = list(self.posts[person_id].values())
        before = next((post for post in theirs if staff.external_id in post.records), None)
        post = before
        if post is None or _is_another(post, staff):
            post = next((each for each in theirs if _is_held(each, staff)), None)
            if post is None:
                if any(_was_held(each, staff) for each in theirs):
                    return
                post = _new(person_id, len(theirs), staff)
        leaves_on = staff.to_on if post.left_on is None else None
        if leaves_on is not None and leaves_on < post.appointed_on:
            return
        self._introduce(person_id, staff)
        if before is not None and before.post_id != post.post_id:
            self._take_over(before, staff)
        if post not in theirs:
            self.appointed.append(_appointed(post))
        if staff.external_id not in post.records:
            post = self._keep(replace(post, records=(*post.records, staff.external_id)))
        if leaves_on is not None:
            self.left.append(self._leave(post, leaves_on))

    def _introduce(self, person_id: UUID, staff: Staff) -> None:
        if person_id not in self.known and staff.name is not None:
            self.known.add(person_id)
            self.profiles.append(
                m.PersonProfile(person_id=person_id, name=staff.name, email=staff.email)
            )

    def _take_over(self, before: Post, staff: Staff) -> None:
        """Another post follows this one."""
        records = tuple(each for each in before.records if each != staff.external_id)
        before = self._keep(replace(before, records=records))
        if before.left_on is None:
            last = max(before.appointed_on, staff.from_on - timedelta(days=1))
            self.ended.append(self._leave(before, last))

    def _leave(self, post: Post, left_on: date) -> m.LeaderLeft:
        self._keep(replace(post, left_on=left_on))
        return m.LeaderLeft(
            person_id=post.person_id, post_id=post.post_id, school_id=post.school_id,
            left_on=left_on,
        )  # fmt: skip

    def _keep(self, post: Post) -> Post:
        self.posts[post.person_id][post.post_id] = self.changed[post.post_id] = post
        return post


def _new(person_id: UUID, number: int, staff: Staff) -> Post:
    return Post(
        post_id=post_of(person_id, number), person_id=person_id, school_id=staff.school_id,
        role=staff.role, appointed_on=staff.from_on,
    )  # fmt: skip


def _appointed(post: Post) -> m.LeaderAppointed:
    return m.LeaderAppointed(
        person_id=post.person_id, post_id=post.post_id, school_id=post.school_id, role=post.role,
        appointed_on=post.appointed_on,
    )  # fmt: skip


def _is_another(post: Post, staff: Staff) -> bool:
    """Whether the report means another post than this: elsewhere, in another role, or once more."""
    again = post.left_on is not None and staff.from_on > post.left_on
    return again or not _is_same(post, staff)


def _is_held(post: Post, staff: Staff) -> bool:
    return post.left_on is None and _is_same(post, staff)


def _was_held(post: Post, staff: Staff) -> bool:
    """On the day on which it would begin."""
    return post.left_on is not None and staff.from_on <= post.left_on and _is_same(post, staff)


def _is_same(post: Post, staff: Staff) -> bool:
    return (post.school_id, post.role) == (staff.school_id, staff.role)
