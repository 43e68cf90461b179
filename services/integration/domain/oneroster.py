"""OneRoster 1.2 in CSV: what its rows report of a trust's schools and staff.

https://www.imsglobal.org/spec/oneroster/v1p2/bind/csv. Of the files three are used: orgs (whose
`identifier` is the URN of a school), users, and roles: each role of a member of staff at a school
is a post, and its `sourcedId` the external id. Pupils and their families are passed over, and not
kept.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import ValidationError

from services.integration.domain.reports import (
    LeavingReport,
    Report,
    SchoolReport,
    StaffReport,
)
from services.integration.domain.staff import Staff
from shared.problems import Invalid, Refused

Mode = Literal["bulk", "delta", "absent"]
MODES: Final = ("bulk", "delta", "absent")

HEADERS: Final[Mapping[str, Sequence[str]]] = {
    "manifest": ("propertyName", "value"),
    "orgs": (
        "sourcedId", "status", "dateLastModified", "name", "type", "identifier", "parentSourcedId",
    ),
    "users": (
        "sourcedId", "status", "dateLastModified", "enabledUser", "username", "userIds",
        "givenName", "familyName", "middleName", "identifier", "email", "sms", "phone",
        "agentSourcedIds", "grades", "password", "userMasterIdentifier", "resourceSourcedIds",
        "preferredGivenName", "preferredMiddleName", "preferredFamilyName", "primaryOrgSourcedId",
        "pronouns",
    ),
    "roles": (
        "sourcedId", "status", "dateLastModified", "userSourcedId", "roleType", "role",
        "beginDate", "endDate", "orgSourcedId", "userProfileSourcedId",
    ),
}  # fmt: skip
"""The columns of each file, in the order that the standard says; more may follow."""

USED: Final = ("orgs", "users", "roles")
NOT_STAFF: Final = frozenset({"student", "guardian", "parent", "relative"})
TRN: Final = re.compile(r"\{TRN:([^{}]*)\}", re.IGNORECASE)
"""In `userIds`, which has {type:id} of each."""
GONE: Final = "tobedeleted"


class RosterRefused(Invalid):
    title = "The OneRoster file cannot be read"


class RowNotValid(Invalid):
    title = "The row is not valid"


@dataclass(frozen=True)
class Row:
    """A row of a file; `line` counts from 1, the header."""

    file: str
    line: int
    values: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.values.get(column, "").strip()

    @property
    def id(self) -> str:
        return self["sourcedId"]

    @property
    def goes(self) -> bool:
        return self["status"].lower() == GONE


@dataclass(frozen=True)
class Roster:
    """What was sent: `modes` of the files, and the rows of those that are there; of users only
    those that are staff, or that a delta names. `passed_over` counts the rows that are not of
    staff."""

    modes: Mapping[str, Mode]
    orgs: Sequence[Row] = ()
    users: Sequence[Row] = ()
    roles: Sequence[Row] = ()
    passed_over: int = 0


@dataclass(frozen=True)
class Post:
    """A role that was reported before, and whose it is."""

    user_id: str
    staff: Staff


@dataclass(frozen=True)
class Known:
    """What earlier files have said: posts by their role's id, and URNs by their org's."""

    posts: Mapping[str, Post] = field(default_factory=dict)
    urns: Mapping[str, int] = field(default_factory=dict)
    urn_of_school: Mapping[UUID, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Reported:
    """What a row comes to; `line` None: that something is not in the file. `user_id` is whose post
    it is."""

    file: str
    line: int | None
    report: Report | Refused
    user_id: str | None = None


def modes(manifest: Sequence[Row]) -> dict[str, Mode]:
    """How each file is sent. Raises RosterRefused where it is not a manifest of OneRoster 1.2."""
    said = {row["propertyName"]: row["value"] for row in manifest}
    for name, wanted in (("manifest.version", "1.0"), ("oneroster.version", "1.2")):
        if said.get(name) != wanted:
            raise RosterRefused(
                f"manifest.csv says {name} “{said.get(name, '')}”, and here it is {wanted}."
            )
    found: dict[str, Mode] = {}
    for name, value in said.items():
        if name.startswith("file."):
            mode = value.lower()
            if mode not in MODES:
                raise RosterRefused(f"manifest.csv says {name} “{value}”: bulk, delta or absent.")
            found[name.removeprefix("file.")] = mode  # type: ignore[assignment]
    if found.get("roles", "absent") == found.get("users", "absent") == "absent":
        raise RosterRefused(
            "manifest.csv has neither roles nor users, so nothing of staff is in it."
        )
    return found


def reported(roster: Roster, known: Known, today: date) -> Iterator[Reported]:
    """What the rows come to, in the order in which it is to be taken: schools, posts, leavers."""
    urns = dict(known.urns)
    for org in roster.orgs:
        if org["type"] == "school" and not org.goes:
            if re.fullmatch(r"[0-9]{6}", org["identifier"]):
                urns[org.id] = int(org["identifier"])
                report = {"external_id": org.id, "school_urn": urns[org.id]}
                yield Reported("orgs", org.line, _read(SchoolReport, report))
            else:
                why = "identifier is the URN of the school: six digits."
                yield Reported("orgs", org.line, RowNotValid(why))
    reader = _Posts(urns, {row.id: row for row in roster.users}, known, today)
    for role in roster.roles:
        yield reader.of_role(role)
    yield from reader.of_users(roster)
    if roster.modes.get("roles") == "bulk":
        yield from _leavers(roster, known, today)


@dataclass(frozen=True)
class _Posts:
    """Reads rows about posts by what the file and earlier ones say of schools and users."""

    urns: Mapping[str, int]
    users: Mapping[str, Row]
    known: Known
    today: date

    def of_role(self, role: Row) -> Reported:
        user_id = role["userSourcedId"]
        post = self.known.posts.get(role.id)
        if role.goes:
            left_on = role["endDate"] or self.today.isoformat()
            report = {"external_id": role.id, "left_on": left_on}
            return Reported("roles", role.line, _read(LeavingReport, report), user_id)
        urn = self.urns.get(role["orgSourcedId"])
        names = self._names(user_id)
        if urn is None:
            why = "orgSourcedId is no school whose URN is in orgs.csv, now or before."
            return Reported("roles", role.line, RowNotValid(why), user_id)
        if names is None:
            why = "userSourcedId is nobody in users.csv, now or before."
            return Reported("roles", role.line, RowNotValid(why), user_id)
        began = post.staff.from_on.isoformat() if post else self.today.isoformat()
        report = names | {
            "external_id": role.id,
            "school_urn": urn,
            "role_code": role["role"],
            "from": role["beginDate"] or began,
            "to": role["endDate"] or None,
        }
        return Reported("roles", role.line, _read(StaffReport, report), user_id)

    def of_users(self, roster: Roster) -> Iterator[Reported]:
        """Posts whose role is in no row, and whose user has changed."""
        told = {role.id for role in roster.roles}
        posts: dict[str, list[Post]] = {}
        for external_id, post in sorted(self.known.posts.items()):
            if external_id not in told and not post.staff.erased:
                posts.setdefault(post.user_id, []).append(post)
        for user in roster.users:
            for post in posts.get(user.id, ()):
                yield Reported("users", user.line, self._changed(user, post.staff), user.id)

    def _changed(self, user: Row, staff: Staff) -> Report | Refused:
        if user.goes:
            report = {"external_id": staff.external_id, "left_on": self.today.isoformat()}
            return _read(LeavingReport, report)
        report = (self._names(user.id) or {}) | {
            "external_id": staff.external_id,
            "school_urn": self.known.urn_of_school.get(staff.school_id),
            "role_code": staff.role_code,
            "role_title": staff.role_title,
            "from": staff.from_on.isoformat(),
            "to": staff.to_on and staff.to_on.isoformat(),
        }
        return _read(StaffReport, report)

    def _names(self, user_id: str) -> dict[str, Any] | None:
        """What names a user, by users.csv or by what was reported of their other posts."""
        if (user := self.users.get(user_id)) is not None and not user.goes:
            trn = TRN.search(user["userIds"])
            return {
                "name": f"{user['givenName']} {user['familyName']}".strip(),
                "work_email": user["email"] or None,
                "trn": trn[1].strip() if trn else None,
            }
        for post in self.known.posts.values():
            if post.user_id == user_id and post.staff.name is not None:
                return {"name": post.staff.name, "work_email": post.staff.email}
        return None


def _leavers(roster: Roster, known: Known, today: date) -> Iterator[Reported]:
    """A bulk file has everybody: who is not in it any more has left."""
    there = {role.id for role in roster.roles}
    for external_id, post in sorted(known.posts.items()):
        staff = post.staff
        open_ended = staff.to_on is None or staff.to_on > today
        if external_id not in there and open_ended and not staff.erased:
            report = {"external_id": external_id, "left_on": today.isoformat()}
            yield Reported("roles", None, _read(LeavingReport, report), post.user_id)


def _read(kind: type[Report], values: dict[str, Any]) -> Report | Refused:
    """Without the values in what is said, for they may be about a person."""
    given = {name: value for name, value in values.items() if value is not None}
    try:
        return kind.model_validate(given, strict=False)
    except ValidationError as error:
        return RowNotValid(
            " ".join(
                f"{_COLUMN.get(str(fault['loc'][0]), fault['loc'][0]) if fault['loc'] else 'row'}: "
                f"{str(fault['msg']).removeprefix('Value error, ').rstrip('.')}."
                for fault in error.errors()
            )
        )


_COLUMN: Final = {
    "external_id": "sourcedId",
    "name": "givenName and familyName",
    "work_email": "email",
    "trn": "userIds",
    "role_code": "role",
    "from": "beginDate",
    "to": "endDate",
    "left_on": "endDate",
    "school_urn": "orgSourcedId",
}
