"""Development Days as they go, planned and delivered by advisers; and own records of leaders."""

from typing import Any

from deploy.demo.clients import each
from deploy.demo.plan.parts import DevelopmentDay, OwnRecord
from deploy.demo.play.stage import Done, Stage
from deploy.demo.terms import Term


def development_days_in(stage: Stage, term: Term) -> list[DevelopmentDay]:
    """The Development Days of a term, in the order of their dates."""
    first, last = term.days[0], term.days[-1]
    days = (day for day in stage.plan.development_days if first <= day.date <= last)
    return sorted(days, key=lambda day: (day.date, day.network, day.adviser))


async def play_development_days(stage: Stage, term: Term, done: Done) -> None:
    """All Development Days of a term, side by side."""
    await each((_play(stage, day) for day in development_days_in(stage, term)), done)


async def enter_own_records(stage: Stage, done: Done) -> None:
    """Leaders enter what they have learned elsewhere, and revoke what was a mistake."""
    await each((_own_record(stage, record) for record in stage.plan.own_records), done)


async def _play(stage: Stage, day: DevelopmentDay) -> None:
    clients, token = stage.clients, stage.adviser_token(day.network, day.adviser)
    made = await clients.post(
        "scheduling",
        "/development-days",
        token,
        school_id=stage.school_id(day.school),
        adviser_id=stage.advisers[day.network][day.adviser],
        date=(day.first_date or day.date).isoformat(),
        strand=day.strand,
        **_followed(stage, day),
    )
    path = f"/development-days/{made['day_id']}"
    if day.cancelled is not None:
        await clients.post("scheduling", f"{path}/cancel", token, reason=day.cancelled)
        return
    if day.first_date is not None:
        await clients.post("scheduling", f"{path}/reschedule", token, date=day.date.isoformat())
    people = [stage.person(leader) for leader in day.participants]
    await clients.post(
        "scheduling", f"{path}/deliver", token, hours=str(day.hours), participants=people
    )
    hours = day.hours
    if day.corrected_hours is not None:
        hours = day.corrected_hours
        await clients.post("scheduling", f"{path}/correction", token, hours=str(hours))
    stage.tally.visits[made["day_id"]] = (stage.school_id(day.school), hours)
    for person in people:
        stage.tally.other_hours[person] += hours
    stage.tally.named.update(people)


def _followed(stage: Stage, day: DevelopmentDay) -> dict[str, Any]:
    """The network's latest Network Day before this day, if it is to follow one up."""
    before = min(day.date, day.first_date or day.date)
    held = [each for each in stage.held.get(day.network, ()) if each[0] <= before]
    return {"follows_up": max(held)[1]} if day.follows_up and held else {}


async def _own_record(stage: Stage, record: OwnRecord) -> None:
    person_id = stage.person(record.leader)
    token = stage.clients.participant(person_id)
    path = f"/people/{person_id}/own-records"
    # cpd learns of people by itself, and may be a moment behind scheduling.
    await stage.clients.until("cpd", f"/people/{person_id}/record", lambda _: True, "of a leader")
    made = await stage.clients.post(
        "cpd",
        path,
        token,
        hours=str(record.hours),
        strand=record.strand,
        earned_on=record.earned_on.isoformat(),
        title=record.title,
    )
    if record.revoked:
        await stage.clients.post("cpd", f"{path}/{made['credit_id']}/revocation", token)
    else:
        stage.tally.other_hours[person_id] += record.hours
