"""`aspire mis wonde`: what has changed at schools, pulled from Wonde and reported as events."""

import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import UUID

import httpx
import typer

from deploy.adapters.wonde import API, Event, School, Wonde, events
from deploy.cli import http
from deploy.cli.terminal import out, say
from deploy.cli.trouble import CannotDo
from deploy.cli.where import Platform
from shared.clock import london_date

BATCH: Final = 500
OVERLAP: Final = timedelta(minutes=5)
"""Asked for again, since clocks differ: what is the same is the same event."""
SECONDS: Final = 60


@dataclass(frozen=True)
class Trust:
    """The platform, and who sends."""

    url: str
    trust: UUID
    secret: str

    def send(self, told: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What became of each event. Raises CannotDo."""
        answered: list[dict[str, Any]] = []
        auth = httpx.BasicAuth(str(self.trust), self.secret)
        headers = {"Content-Type": "application/cloudevents-batch+json"}
        with (
            http.in_words("integration", self.url),
            http.client(self.url, "none", seconds=SECONDS) as client,
        ):
            for first in range(0, len(told), BATCH):
                body = json.dumps(told[first : first + BATCH])
                sent = client.post("/mis/events", content=body, headers=headers, auth=auth)
                answered += http.check(sent).json()["events"]
        return answered


def wonde(
    school: Annotated[list[str], typer.Option("--school", help="Wonde's id of a school; again.")],
    trust: Annotated[UUID, typer.Option("--trust", envvar="ASPIRE_TRUST", help="The trust's id.")],
    secret: Annotated[str, typer.Option("--secret", envvar="ASPIRE_TRUST_SECRET")],
    token: Annotated[str, typer.Option("--wonde-token", envvar="WONDE_TOKEN")],
    state: Annotated[
        Path, typer.Option(help="The file that keeps until when each school was read.")
    ] = Path("wonde.json"),
    everything: Annotated[
        bool, typer.Option("--all", help="All there is, and not only what has changed since.")
    ] = False,
    api: Annotated[str, typer.Option(hidden=True)] = API,
) -> None:
    """Pull staff, leavers and absences of schools from Wonde, and report what has changed.

    Run it as often as you like, from cron for example: what is unchanged says nothing. The secrets
    are better in ASPIRE_TRUST_SECRET and WONDE_TOKEN. The exit code is 1 where something was
    refused, which is printed with its reason and tried again with --all.

    Examples:

      aspire mis wonde --school A1930499544 --trust 0b7…
    """
    to = Trust(Platform.here().url("integration"), trust, secret)
    known = _read(state)
    refused = 0
    with httpx.Client(timeout=SECONDS) as client:
        source = Wonde(token, client, api)
        for school_id in school:
            since = None if everything else known.get(school_id)
            began = datetime.now(UTC)
            refused += _one(source, source.school(school_id), since, to)
            known[school_id] = began - OVERLAP
            _write(state, known)
    if refused:
        raise typer.Exit(1)


def _one(source: Wonde, school: School, since: datetime | None, to: Trust) -> int:
    """Reports on one school; answers how much of it was refused."""
    told = events(source, school, since, london_date(datetime.now(UTC)))
    answers = to.send(list(told.events))
    outcomes = Counter(each["outcome"] for each in answers)
    counted = ", ".join(f"{number:,} {what}" for what, number in sorted(outcomes.items()))
    out.print(f"{school.id} (URN {school.urn}): {counted or 'nothing new'}")
    refused = 0
    for event, answer in zip(told.events, answers, strict=True):
        problem = answer["refusal"]
        if problem is None or _never_known(event, problem):
            continue
        refused += 1
        say(f"  {event['data']['external_id']}: {problem['title']}. {problem['detail']}")
    for each in told.left_out:
        say(f"  left out: {each}")
    return refused


def _never_known(event: Event, problem: dict[str, Any]) -> bool:
    """Somebody has left whom nobody had reported: there is nothing to end."""
    left = str(event["type"]).endswith(".StaffLeft.v1")
    return left and int(problem["status"]) == httpx.codes.NOT_FOUND


def _read(state: Path) -> dict[str, datetime]:
    if not state.exists():
        return {}
    try:
        return {
            school: datetime.fromisoformat(since)
            for school, since in json.loads(state.read_text("utf-8")).items()
        }
    except (OSError, ValueError, AttributeError) as error:
        raise CannotDo(f"{state} is no file of `aspire mis wonde`: {error}.") from error


def _write(state: Path, known: dict[str, datetime]) -> None:
    new = state.with_name(f".{state.name}.new")
    try:
        new.write_text(
            json.dumps({school: since.isoformat() for school, since in known.items()}), "utf-8"
        )
        new.replace(state)
    except OSError as error:
        raise CannotDo(f"{state} cannot be written: {error.strerror}.") from error
