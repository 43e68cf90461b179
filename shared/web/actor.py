"""Who asks: what a valid token says of its bearer."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

ROLES: Final = frozenset({"office", "adviser", "school", "trust", "participant", "operations"})


@dataclass(frozen=True, kw_only=True)
class Actor:
    """The bearer of a token, the role, and the scope that the role has.

    Outside the scope a thing does not exist: answer NotFound, not Forbidden.
    """

    subject: str
    role: str
    networks: frozenset[UUID] = frozenset()
    schools: frozenset[UUID] = frozenset()
    groups: frozenset[UUID] = frozenset()
    person: UUID | None = None

    @property
    def fingerprint(self) -> str:
        """Subject, role and scope as one short text: the same for whoever may see the same."""
        scope = (sorted(map(str, ids)) for ids in (self.networks, self.schools, self.groups))
        parts = (self.subject, self.role, *map(",".join, scope), str(self.person))
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    @classmethod
    def of(cls, claims: Mapping[str, Any]) -> "Actor":
        """Reads the claims of a verified token; ValueError says which claim is wrong."""
        role = claims.get("role")
        if role not in ROLES:
            raise ValueError(f"its claim “role” must be one of {', '.join(sorted(ROLES))}")
        person = claims.get("person")
        return cls(
            subject=claims["sub"],
            role=role,
            networks=_ids(claims, "networks"),
            schools=_ids(claims, "schools"),
            groups=_ids(claims, "groups"),
            person=None if person is None else _id("person", person),
        )


def _ids(claims: Mapping[str, Any], name: str) -> frozenset[UUID]:
    value = claims.get(name) or []
    if not isinstance(value, list):
        raise ValueError(f"its claim “{name}” must be a list of ids")
    return frozenset(_id(name, each) for each in value)


def _id(name: str, value: object) -> UUID:
    try:
        return UUID(str(value))
    except ValueError:
        raise ValueError(f"its claim “{name}” holds an id that is no UUID") from None
