"""How days become credits, and how corrections change them."""

from datetime import date
from decimal import Decimal
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from services.cpd import domain
from shared.events.scheduling import (
    AttendanceCorrected,
    DevelopmentDayDelivered,
    NetworkDayHeld,
    Participant,
    RegisterEntry,
)
from shared.events.vocabulary import Attendance, CpdSource, Role, Strand

DAY, SCHOOL, ANNE, BEN = uuid4(), uuid4(), uuid4(), uuid4()
PEOPLE = sorted([ANNE, BEN])


def held(*entries: tuple[UUID, Attendance], hours: str = "5.5") -> NetworkDayHeld:
    return NetworkDayHeld(
        day_id=DAY,
        network_ids=(uuid4(),),
        date=date(2026, 11, 5),
        strand=Strand.LEADERSHIP,
        hours=Decimal(hours),
        entries=tuple(
            RegisterEntry(
                place_id=uuid4(),
                person_id=person_id,
                school_id=SCHOOL,
                role=Role.MIDDLE_LEADER,
                attendance=attendance,
            )
            for person_id, attendance in entries
        ),
    )


def corrected(person_id: UUID, was: Attendance, attendance: Attendance) -> AttendanceCorrected:
    return AttendanceCorrected(
        day_id=DAY,
        date=date(2026, 11, 5),
        strand=Strand.LEADERSHIP,
        hours=Decimal("5.5"),
        place_id=uuid4(),
        person_id=person_id,
        school_id=SCHOOL,
        role=Role.MIDDLE_LEADER,
        was=was,
        attendance=attendance,
    )


def delivered(
    *person_ids: UUID, hours: str = "2", strand: Strand = Strand.LEADERSHIP
) -> DevelopmentDayDelivered:
    return DevelopmentDayDelivered(
        day_id=DAY,
        school_id=SCHOOL,
        network_id=uuid4(),
        adviser_id=uuid4(),
        date=date(2026, 11, 12),
        strand=strand,
        hours=Decimal(hours),
        participants=tuple(
            Participant(person_id=person_id, role=Role.MIDDLE_LEADER) for person_id in person_ids
        ),
    )


def test_a_held_day_credits_those_who_came_also_late() -> None:
    day = held((ANNE, Attendance.ATTENDED), (BEN, Attendance.LATE))
    credits_ = domain.credits_of_held_day(uuid4(), day)
    assert [credit.person_id for credit in credits_] == PEOPLE
    assert {(credit.hours, credit.source, credit.source_id) for credit in credits_} == {
        (Decimal("5.5"), CpdSource.NETWORK_DAY, DAY)
    }


def test_a_held_day_credits_nobody_who_was_excused_or_absent() -> None:
    day = held((ANNE, Attendance.EXCUSED), (BEN, Attendance.ABSENT))
    assert domain.credits_of_held_day(uuid4(), day) == []


def test_two_places_of_one_person_are_one_credit() -> None:
    day = held((ANNE, Attendance.ATTENDED), (ANNE, Attendance.ATTENDED))
    assert len(domain.credits_of_held_day(uuid4(), day)) == 1


def test_the_same_event_makes_the_same_credit_ids() -> None:
    cause, day = uuid4(), held((ANNE, Attendance.ATTENDED))
    assert domain.credits_of_held_day(cause, day) == domain.credits_of_held_day(cause, day)
    assert domain.credit_id(cause, ANNE) != domain.credit_id(uuid4(), ANNE)


def test_one_who_was_there_after_all_is_credited() -> None:
    before = domain.credits_of_held_day(uuid4(), held((ANNE, Attendance.ABSENT)))
    correction = corrected(ANNE, Attendance.ABSENT, Attendance.ATTENDED)
    after = domain.credits_after_correction(uuid4(), correction, before)
    change = domain.difference(before, after)
    assert [credit.person_id for credit in change.credited] == [ANNE]
    assert change.revoked == ()


def test_one_who_was_not_there_loses_the_credit_and_nobody_else() -> None:
    before = domain.credits_of_held_day(
        uuid4(), held((ANNE, Attendance.ATTENDED), (BEN, Attendance.ATTENDED))
    )
    correction = corrected(ANNE, Attendance.ATTENDED, Attendance.EXCUSED)
    change = domain.difference(before, domain.credits_after_correction(uuid4(), correction, before))
    assert [credit.person_id for credit in change.revoked] == [ANNE]
    assert change.credited == ()


def test_late_instead_of_attended_changes_nothing() -> None:
    before = domain.credits_of_held_day(uuid4(), held((ANNE, Attendance.ATTENDED)))
    correction = corrected(ANNE, Attendance.ATTENDED, Attendance.LATE)
    after = domain.credits_after_correction(uuid4(), correction, before)
    assert domain.difference(before, after) == domain.Difference()


def test_other_hours_revoke_the_old_credit_and_make_it_anew() -> None:
    before = domain.credits_of_delivered_day(uuid4(), delivered(ANNE))
    after = domain.credits_of_delivered_day(uuid4(), delivered(ANNE, hours="3"))
    revoked, credited = domain.difference(before, after).events()
    assert (revoked.hours, credited.hours) == (Decimal(2), Decimal(3))
    assert revoked.credit_id != credited.credit_id


def test_a_participant_more_is_credited_and_the_others_stay() -> None:
    before = domain.credits_of_delivered_day(uuid4(), delivered(ANNE))
    after = domain.credits_of_delivered_day(uuid4(), delivered(ANNE, BEN))
    change = domain.difference(before, after)
    assert ([credit.person_id for credit in change.credited], change.revoked) == ([BEN], ())


@given(
    before=st.sets(st.sampled_from([UUID(int=n) for n in range(6)])),
    after=st.sets(st.sampled_from([UUID(int=n) for n in range(6)])),
    hours=st.sampled_from(["2", "3"]),
)
def test_the_difference_leads_exactly_to_what_should_stand(
    before: set[UUID], after: set[UUID], hours: str
) -> None:
    standing = domain.credits_of_delivered_day(UUID(int=100), delivered(*before))
    wanted = domain.credits_of_delivered_day(UUID(int=101), delivered(*after, hours=hours))
    change = domain.difference(standing, wanted)
    stands = [credit for credit in standing if credit not in change.revoked] + [*change.credited]
    assert {(credit.person_id, credit.hours) for credit in stands} == {
        (person_id, Decimal(hours)) for person_id in after
    }
    assert len(stands) == len(after)
