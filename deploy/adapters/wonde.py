"""Wonde: employees, their roles and absences of a school, as events for `POST /mis/events`.

After https://docs.wonde.com and Wonde's own clients; docs/integration/wonde.md says what could not
be tried against the real service.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from tenacity import RetryCallState, retry, retry_if_exception_type, stop_after_attempt

from deploy.cli.trouble import CannotDo

API: Final = "https://api.wonde.com"
REGIONAL: Final = ".wonde.com"
"""How the domains of its regions end: the token goes nowhere else."""
VERSION: Final = "v1.0"
PAGE: Final = 200
TRIES: Final = 6
LONGEST_WAIT: Final = 120.0
INCLUDED: Final = "contact_details,employment_details,roles"
TYPE: Final = "uk.aspire.mis."

Event = dict[str, Any]


class _Later(Exception):  # noqa: N818 - not an error: a request to wait
    """It has had enough requests, or is not well; `seconds` as far as it says so."""

    def __init__(self, said: str, seconds: float | None) -> None:
        super().__init__(said)
        self.said = said
        self.seconds = seconds


def _wait(state: RetryCallState) -> float:
    later = state.outcome.exception() if state.outcome is not None else None
    asked = later.seconds if isinstance(later, _Later) else None
    return min(2.0**state.attempt_number if asked is None else asked, LONGEST_WAIT)


@dataclass(frozen=True)
class School:
    """A school as Wonde has it; `domain` is that of its region."""

    id: str
    urn: int
    domain: str


class Wonde:
    """Asks Wonde for a school, page by page. Raises CannotDo where it does not answer."""

    def __init__(self, token: str, client: httpx.Client, api: str = API) -> None:
        self._client = client
        self._api = api.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"}

    def school(self, school_id: str) -> School:
        found = self._get(f"{self._api}/{VERSION}/schools/{school_id}")["data"]
        urn = str(found.get("urn") or "")
        if not re.fullmatch(r"[0-9]{6}", urn):
            raise CannotDo(f"Wonde knows no URN of the school {school_id}.")
        domain = str(((found.get("region") or {}).get("domain")) or urlsplit(self._api).netloc)
        return School(school_id, int(urn), domain)

    def employees(self, school: School, since: datetime | None) -> Iterator[dict[str, Any]]:
        return self._all(school, "employees", since, include=INCLUDED)

    def absences(self, school: School, since: datetime | None) -> Iterator[dict[str, Any]]:
        return self._all(school, "employee-absences", since, include="employee")

    def deletions(self, school: School, since: datetime | None) -> Iterator[dict[str, Any]]:
        return self._all(school, "deletions", since)

    def _all(
        self, school: School, what: str, since: datetime | None, **query: str
    ) -> Iterator[dict[str, Any]]:
        base = self._base(school)
        asked = query | {"per_page": str(PAGE)}
        if since is not None:
            asked["updated_after"] = since.strftime("%Y-%m-%d %H:%M:%S")
        page = self._get(f"{base}/{VERSION}/schools/{school.id}/{what}", asked)
        while True:
            yield from page.get("data") or ()
            following = ((page.get("meta") or {}).get("pagination") or {}).get("next")
            if not following:
                return
            if urlsplit(following)[:2] != urlsplit(base)[:2]:
                raise CannotDo(f"Wonde names {following} as its next page: that is another host.")
            page = self._get(following)

    def _base(self, school: School) -> str:
        here = urlsplit(self._api)
        if school.domain == here.netloc:
            return self._api
        if here.hostname in ("127.0.0.1", "localhost"):  # a stand-in, with its regions beside it
            return f"{here.scheme}://{school.domain}"
        if not school.domain.endswith(REGIONAL):
            raise CannotDo(f"Wonde names the domain {school.domain}, which is not its own.")
        return f"https://{school.domain}"

    @retry(
        retry=retry_if_exception_type(_Later),
        stop=stop_after_attempt(TRIES),
        wait=_wait,
        retry_error_callback=lambda state: _give_up(state),
    )
    def _get(self, url: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        try:
            answer = self._client.get(url, params=query, headers=self._headers)
        except httpx.TransportError as error:
            raise _Later(f"does not answer ({error or type(error).__name__})", None) from error
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS or answer.is_server_error:
            raise _Later(f"answers {answer.status_code}", _seconds(answer))
        if answer.status_code in (401, 403):
            raise CannotDo("Wonde does not accept the token, or not for this school.")
        if not answer.is_success:
            raise CannotDo(f"Wonde answers {answer.status_code} to {urlsplit(url).path}.")
        try:
            content: dict[str, Any] = answer.json()
            assert isinstance(content["data"], list | dict)
        except (ValueError, KeyError, TypeError, AssertionError):
            raise CannotDo(
                f"Wonde's answer to {urlsplit(url).path} is not as documented."
            ) from None
        return content


def _give_up(state: RetryCallState) -> dict[str, Any]:
    later = state.outcome.exception() if state.outcome is not None else None
    raise CannotDo(f"Wonde {later}, {state.attempt_number} times. Try again later.")


def _seconds(answer: httpx.Response) -> float | None:
    said = answer.headers.get("retry-after", "")
    return float(said) if said.isdigit() else None


@dataclass(frozen=True)
class Told:
    """The events of a school, and how many of Wonde's records could not be read as such."""

    events: Sequence[Event]
    left_out: Sequence[str]


def events(wonde: Wonde, school: School, since: datetime | None, today: date) -> Told:
    """What has changed since then, or all there is: staff, who left, absences, in this order."""
    told: list[Event] = []
    left_out: list[str] = []
    for employee in wonde.employees(school, since):
        read = _employee(employee, school, today)
        told += [read] if isinstance(read, dict) else []
        left_out += [read] if isinstance(read, str) else []
    for gone in wonde.deletions(school, since):
        if str(gone.get("type", "")).rstrip("s") == "employee" and gone.get("id"):
            on = _day(gone.get("deleted_at")) or today.isoformat()
            told.append(
                _event(school, "StaffLeft", gone, {"external_id": gone["id"], "left_on": on})
            )
    for absence in wonde.absences(school, since):
        read = _absence(absence, school)
        told += [read] if isinstance(read, dict) else []
        left_out += [read] if isinstance(read, str) else []
    return Told(told, left_out)


def _employee(employee: Mapping[str, Any], school: School, today: date) -> Event | str:
    details = _included(employee, "employment_details")
    begins = _day(details.get("employment_start_date"))
    ends = _day(details.get("employment_end_date"))
    if details.get("current") is False:
        left = {"external_id": employee["id"], "left_on": ends or today.isoformat()}
        return _event(school, "StaffLeft", employee, left)
    if begins is None:
        return f"employee {employee['id']}: it has no employment_start_date"
    number = str(details.get("teacher_number") or "").replace("/", "")
    title = _role(employee) or str(details.get("role_text") or "").strip()
    emails = _included(employee, "contact_details").get("emails") or {}
    data = {
        "external_id": employee["id"],
        "name": f"{employee.get('forename') or ''} {employee.get('surname') or ''}".strip(),
        "school_urn": school.urn,
        "role_code": _code(title) or ("teacher" if details.get("teaching_staff") else "staff"),
        "role_title": title or None,
        "from": begins,
        "to": ends,
        "work_email": emails.get("work") or emails.get("email") or emails.get("primary") or None,
        "trn": number if re.fullmatch(r"[0-9]{7}", number) else None,
    }
    return _event(school, "StaffReported", employee, data)


def _absence(absence: Mapping[str, Any], school: School) -> Event | str:
    """That somebody is away, and from its record nothing else."""
    employee = absence.get("employee")
    if isinstance(employee, Mapping):
        employee = (employee.get("data") or employee).get("id")
    begins = _day(absence.get("start_date")) or _day(absence.get("date"))
    if not employee or begins is None:
        return f"absence {absence.get('id')}: it has no employee or no start_date"
    data = {"external_id": employee, "from": begins, "to": _day(absence.get("end_date"))}
    return _event(school, "AbsenceReported", absence, data)


def _event(school: School, kind: str, record: Mapping[str, Any], data: Event) -> Event:
    """The same record, unchanged, is the same event."""
    changed = _moment(record.get("updated_at") or record.get("deleted_at"))
    return {
        "specversion": "1.0",
        "type": f"{TYPE}{kind}.v1",
        "source": f"/wonde/{school.id}",
        "id": f"{kind}-{record['id']}-{changed}",
        "data": {name: value for name, value in data.items() if value is not None},
    }


def _role(employee: Mapping[str, Any]) -> str:
    """The first of the roles; they come in the order of the school's system."""
    roles = (employee.get("roles") or {}).get("data") or []
    names = (str(each.get("name") or each.get("role") or "").strip() for each in roles)
    return next((name for name in names if name), "")


def _code(title: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", title).strip("-")[:32].rstrip("-")


def _included(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = (record.get(name) or {}).get("data")
    return found if isinstance(found, Mapping) else {}


def _day(value: object) -> str | None:
    """Of a date as Wonde writes them: a string, or an object with one."""
    text = value.get("date") if isinstance(value, Mapping) else value
    return text[:10] if isinstance(text, str) and re.match(r"\d{4}-\d\d-\d\d", text) else None


def _moment(value: object) -> str:
    text = value.get("date") if isinstance(value, Mapping) else value
    return re.sub(r"[^0-9]", "", str(text or datetime.now(UTC).isoformat()))[:20]
