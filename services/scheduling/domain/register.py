"""The register of a held Network Day: every booked place once."""

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from services.scheduling.domain.places import Place
from shared.events.scheduling import RegisterEntry
from shared.events.vocabulary import Attendance
from shared.problems import FieldError, Refused


class NobodyBooked(Refused):
    status = 409
    title = "Nobody has a place"


class RegisterRefused(Refused):
    status = 422
    title = "The register does not fit the day's places"


class PlaceNotOnRegister(Refused):
    status = 409
    title = "The place is not on the register"


class PresentTwice(Refused):
    status = 422
    title = "A person is present twice"


def check_register(booked: Sequence[Place], register: Sequence[tuple[UUID, Attendance]]) -> None:
    """Refuses a register that leaves out a booked place, repeats one, or names another.

    All faulty entries are named at once.
    """
    expected = {place.place_id for place in booked}
    counts = Counter(place_id for place_id, _ in register)
    faults = []
    for number, (place_id, _) in enumerate(register):
        if place_id not in expected:
            fault = f"place {place_id} is not booked on this day"
        elif counts[place_id] > 1:
            fault = f"place {place_id} is on the register {counts[place_id]} times"
        else:
            continue
        faults.append(FieldError(f"#/register/{number}/place_id", fault))
    faults += [
        FieldError("#/register", f"place {place.place_id} is missing")
        for place in booked
        if place.place_id not in counts
    ]
    if faults:
        raise RegisterRefused(
            f"The register names every booked place of the day once, and no other; "
            f"{len(faults)} entries do not fit. Correct them and send the register again.",
            errors=faults,
        )


def check_present_once(booked: Sequence[Place], pointer: str) -> None:
    """Refuses two present entries of one person, whose records were merged after the booking."""
    present: dict[UUID, list[Place]] = {}
    for place in booked:
        if place.attendance is not None and place.attendance.present:
            present.setdefault(place.person_id, []).append(place)
    faults = [
        FieldError(
            pointer,
            f"places {' and '.join(str(place.place_id) for place in places)} are both of "
            f"person {person_id}",
        )
        for person_id, places in present.items()
        if len(places) > 1
    ]
    if faults:
        raise PresentTwice(
            "Records that were merged are one person, who is present once: "
            + "; ".join(fault.detail for fault in faults)
            + ". Keep one of the places present, and have the other absent.",
            errors=faults,
        )


def entry_of(place: Place) -> RegisterEntry:
    """The entry that the event carries for a place with attendance."""
    assert place.attendance is not None
    return RegisterEntry(
        place_id=place.place_id,
        person_id=place.booked_as,
        school_id=place.school_id,
        role=place.role,
        attendance=place.attendance,
    )
