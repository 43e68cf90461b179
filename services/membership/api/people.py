"""People: what they are called, their posts, merging two records, erasure."""

from datetime import date
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from services.membership.api.days import AnyDay
from services.membership.api.sight import (
    READERS_OF_PEOPLE,
    STAFF_OFFICES,
    check_person,
    people_besides,
    sight_of,
)
from services.membership.domain.person import Person, Post
from services.membership.store import people as store
from services.membership.store import schools
from shared.events.vocabulary import Role
from shared.messaging import Transaction
from shared.problems import Invalid, NotFound
from shared.web import (
    Actor,
    Body,
    CommandRoute,
    Page,
    PageQuery,
    Read,
    Today,
    Tx,
    erase_answers_about,
    require,
)

router = APIRouter(route_class=CommandRoute, prefix="/people", tags=["people"])
OFFICE = Depends(require("office"))
Staffing = Annotated[Actor, Depends(require(*STAFF_OFFICES))]
Reading = Annotated[Actor, Depends(require(*READERS_OF_PEOPLE))]


class PostNeeded(Invalid):
    title = "A post at your school is needed"


class PostToFill(Body):
    school_id: UUID
    role: Role
    appointed_on: AnyDay


class PersonToIntroduce(Body):
    name: str
    email: str | None = None
    post: PostToFill | None = Field(None, description="Needed where a school or trust does it")


class ProfileChange(Body):
    """What is left out stays as it is."""

    name: str | None = None
    email: str | None = None


class PostToLeave(Body):
    left_on: AnyDay = Field(description="The last day in the post")


class PersonToMerge(Body):
    merged_person_id: UUID = Field(description="The record that goes")


class Nothing(Body):
    """An empty object."""


class PostOut(BaseModel):
    post_id: UUID
    school_id: UUID
    role: Role
    appointed_on: date
    left_on: date | None

    @classmethod
    def of(cls, post: Post) -> "PostOut":
        return cls.model_validate(post, from_attributes=True)


class PersonOut(BaseModel):
    person_id: UUID
    name: str
    email: str | None
    posts: list[PostOut]

    @classmethod
    def of(cls, person: Person) -> "PersonOut":
        return cls(
            person_id=person.person_id,
            name=person.name or "",
            email=person.email,
            posts=[PostOut.of(post) for post in person.posts],
        )


class ErasedOut(BaseModel):
    person_id: UUID
    erased: bool


@router.post("", status_code=201, summary="Introduce a person")
async def introduce(body: PersonToIntroduce, tx: Tx, today: Today, actor: Staffing) -> PersonOut:
    if body.post is None and actor.role != "office":
        raise PostNeeded(
            "A school or trust introduces its own staff: name the post at the school.",
            errors=[("#/post", "needed")],
        )
    person, profile = Person.introduce(uuid4(), body.name, body.email)
    await store.add_people(tx.connection, [person])
    tx.record(profile)
    if body.post is not None:
        person, _ = await _appoint(tx, actor, today, person, body.post)
    return PersonOut.of(person)


@router.get("", summary="List people")
async def list_people(
    read: Read,
    today: Today,
    page: PageQuery,
    actor: Reading,
    school_id: UUID | None = None,
) -> Page[PersonOut]:
    sight = await sight_of(read, actor, today)
    people = await store.people(
        read,
        page,
        visible=sight.staffed,
        also=await people_besides(read, actor),
        school_id=school_id,
        today=today,
    )
    return Page.of(page, people, PersonOut.of, key=lambda person: person.person_id)


@router.get("/{person_id}", summary="Look at a person")
async def get_person(person_id: UUID, read: Read, today: Today, actor: Reading) -> PersonOut:
    person = await store.person(read, person_id)
    sight = await sight_of(read, actor, today)
    await check_person(read, actor, sight, person, today)
    if person.merged_into is not None:
        raise NotFound(f"Person {person_id} was merged into {person.merged_into}; look there.")
    person.check_usable()
    return PersonOut.of(person)


@router.patch("/{person_id}", summary="Change a person's name or e-mail address")
async def change_profile(
    person_id: UUID, body: ProfileChange, tx: Tx, today: Today, actor: Staffing
) -> PersonOut:
    person = await _own(tx, actor, today, person_id)
    name, email = (
        getattr(body if field in body.model_fields_set else person, field)
        for field in ("name", "email")
    )
    person, profile = person.call(name or "", email)
    if profile:
        await store.save_profiles(tx.connection, [person])
        tx.record(profile)
    return PersonOut.of(person)


@router.post("/{person_id}/posts", status_code=201, summary="Appoint a person to a post")
async def appoint(
    person_id: UUID, body: PostToFill, tx: Tx, today: Today, actor: Staffing
) -> PostOut:
    person = await _own(tx, actor, today, person_id)
    _, post = await _appoint(tx, actor, today, person, body)
    return PostOut.of(post)


@router.post("/{person_id}/posts/{post_id}/leave", summary="Record that a person left a post")
async def leave_post(
    person_id: UUID, post_id: UUID, body: PostToLeave, tx: Tx, today: Today, actor: Staffing
) -> PostOut:
    person = await _own(tx, actor, today, person_id)
    post = next((post for post in person.posts if post.post_id == post_id), None)
    if post is None:
        raise NotFound(f"Person {person_id} has no post {post_id}.")
    (await sight_of(tx.connection, actor, today)).check_school(post.school_id)
    post, left = post.leave(body.left_on)
    await store.save_post(tx.connection, person_id, post)
    tx.record(left)
    return PostOut.of(post)


@router.post(
    "/{person_id}/merge",
    summary="Merge another record of the same person into this one",
    dependencies=[OFFICE],
)
async def merge(person_id: UUID, body: PersonToMerge, tx: Tx) -> PersonOut:
    await store.lock_people(tx.connection, [person_id, body.merged_person_id])
    person = await store.person(tx.connection, person_id)
    other = await store.person(tx.connection, body.merged_person_id)
    person, facts = person.merge(other)
    await store.merge(tx.connection, person, other.person_id)
    await erase_answers_about(tx.connection, other.person_id)
    tx.record(*facts)
    return PersonOut.of(person)


@router.post(
    "/{person_id}/erasure",
    summary="Erase a person's name and e-mail address everywhere",
    dependencies=[OFFICE],
)
async def erase(person_id: UUID, tx: Tx, _: Nothing | None = None) -> ErasedOut:
    person = await store.locked_person(tx.connection, person_id)
    person, facts = person.erase()
    if facts:
        await store.erase(tx.connection, person)
        await erase_answers_about(tx.connection, person.person_id, *person.merged_ids)
        tx.record(*facts)
    return ErasedOut(person_id=person_id, erased=True)


async def _own(tx: Transaction, actor: Actor, today: date, person_id: UUID) -> Person:
    """The person, locked, where the one who asks keeps their records. Raises NotFound."""
    person = await store.locked_person(tx.connection, person_id)
    sight = await sight_of(tx.connection, actor, today)
    await check_person(tx.connection, actor, sight, person, today)
    person.check_usable()
    return person


async def _appoint(
    tx: Transaction, actor: Actor, today: date, person: Person, body: PostToFill
) -> tuple[Person, Post]:
    (await sight_of(tx.connection, actor, today)).check_school(body.school_id)
    school = await schools.school(tx.connection, body.school_id, "FOR SHARE")
    person, post, appointed = person.appoint(uuid4(), school, body.role, body.appointed_on)
    await store.save_post(tx.connection, person.person_id, post)
    tx.record(appointed)
    return person, post
