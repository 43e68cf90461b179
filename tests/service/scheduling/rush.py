"""A rush on days: commands that overlap, and what was acknowledged of them, checked in the end."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from tests.service.crowd import Crowd
from tests.service.scheduling.fairness import check_advisers, check_places
from tests.service.scheduling.world import World


@dataclass
class PlacesRush:
    """Bookings, releases and changes of places on one Network Day."""

    world: World
    crowd: Crowd
    day_id: UUID
    school_id: UUID
    acknowledged: Counter[str] = field(default_factory=Counter)
    _places: dict[UUID, str] = field(default_factory=dict)

    async def book(self, person_id: UUID, copies: int = 1) -> None:
        body = {"person_id": person_id, "school_id": self.school_id}
        status, place = await self.crowd.send(f"{self._path}/places", body, copies)
        assert status in (201, 409), place
        if status == 201:
            self.acknowledged["booked"] += 1
            self._places[person_id] = place["place_id"]

    async def release(self, person_id: UUID, copies: int = 1) -> None:
        """Of whom nobody has heard a booking acknowledged there is nothing to release."""
        place_id = self._places.get(person_id)
        if place_id is None:
            return
        path = f"{self._path}/places/{place_id}/release"
        status, answer = await self.crowd.send(path, {}, copies)
        assert status in (200, 409), answer
        self.acknowledged["released"] += status == 200

    async def offer(self, places: int, copies: int = 1) -> None:
        """Change the day's places; fewer than are booked are refused."""
        path = f"{self._path}/reschedule"
        status, answer = await self.crowd.send(path, {"places": places}, copies)
        assert status in (200, 409, 422), answer

    async def check(self) -> None:
        """The rules held, and what was acknowledged happened once, and nothing else did."""
        await check_places(self.world.pool, self.day_id)
        events = await self.world.events(self.day_id)
        asked_for = [
            name
            for name, body in events
            if name == "PlaceWaitlisted"
            or (name == "PlaceBooked" and not body["from_waiting_list"])
        ]
        released = [name for name, _ in events if name == "PlaceReleased"]
        assert len(asked_for) == self.acknowledged["booked"]
        assert len(released) == self.acknowledged["released"]

    @property
    def _path(self) -> str:
        return f"/network-days/{self.day_id}"


@dataclass
class VisitsRush:
    """Plans, moves and cancellations of the Development Days of a few advisers."""

    world: World
    crowd: Crowd
    schools: Sequence[UUID]
    days: list[str] = field(default_factory=list)

    async def plan(self, adviser_id: UUID, date: str, school: int, copies: int = 1) -> None:
        body = {
            "school_id": self.schools[school % len(self.schools)],
            "adviser_id": adviser_id,
            "date": date,
            "strand": "leadership",
        }
        status, answer = await self.crowd.send("/development-days", body, copies)
        assert status in (201, 409), answer
        if status == 201:
            self.days.append(answer["day_id"])

    async def move(self, day: int, date: str, copies: int = 1) -> None:
        await self._change(day, "reschedule", {"date": date}, copies)

    async def cancel(self, day: int, copies: int = 1) -> None:
        await self._change(day, "cancel", {"reason": "other"}, copies)

    async def check(self) -> None:
        await check_advisers(self.world.pool)
        planned = await self.world.pool.fetch(
            "SELECT key FROM event WHERE type LIKE '%.DevelopmentDayPlanned.v1'"
        )
        assert sorted(row["key"] for row in planned) == sorted(self.days)

    async def _change(self, day: int, act: str, body: dict[str, str], copies: int) -> None:
        if not self.days:
            return
        path = f"/development-days/{self.days[day % len(self.days)]}/{act}"
        status, answer = await self.crowd.send(path, body, copies)
        assert status in (200, 409), answer
