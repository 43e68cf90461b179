"""Why a request is refused, in words for the person who made it. No I/O, no framework.

A rule of a domain raises a subclass of `Refused` with one sentence that names the thing, the rule
and the way out; `shared.web` turns it into an RFC 9457 problem.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

PROBLEMS: Final = "https://aspire.example/problems/"
"""The `type` of a problem is this and the slug of its class."""


@dataclass(frozen=True)
class FieldError:
    """One faulty field, and a sentence: a JSON pointer (RFC 6901) into the body, or a parameter's
    place, as `/query/limit`."""

    pointer: str
    detail: str


class Refused(Exception):  # noqa: N818 - said to people: the command is refused
    """A request that a rule does not allow. The transaction is rolled back, nothing is stored."""

    status: ClassVar[int] = 409
    title: ClassVar[str] = "The request is refused"

    def __init__(
        self,
        detail: str,
        *,
        errors: Sequence[FieldError | tuple[str, str]] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        """`errors` are the faulty fields, as FieldError or as (pointer, detail)."""
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(
            error if isinstance(error, FieldError) else FieldError(*error) for error in errors
        )
        self.headers = headers or {}

    @classmethod
    def type(cls) -> str:
        """The problem's type: SchoolAlreadyMember is …/problems/school-already-member."""
        return PROBLEMS + slug(cls.__name__)


class Invalid(Refused):
    """The request is well-formed and asks for something that cannot be."""

    status = 422
    title = "The request is not valid"


class Unauthorised(Refused):
    """Nobody knows who asks."""

    status = 401
    title = "A valid token is needed"


class Forbidden(Refused):
    """The role itself may never do this. Outside a scope a thing is NotFound instead."""

    status = 403
    title = "This role may not do that"


class NotFound(Refused):
    """There is no such thing, or none within the scope of the one who asks."""

    status = 404
    title = "Not found"


def slug(name: str) -> str:
    """SchoolAlreadyMember → school-already-member; URNTaken → urn-taken."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).lower()
