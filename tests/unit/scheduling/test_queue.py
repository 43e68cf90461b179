"""Whatever is booked, released and rescheduled: never overbooked, and the queue keeps its order."""

from typing import Any
from uuid import UUID, uuid4

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from shared.events.vocabulary import Attendance
from tests.unit.scheduling.days import TODAY, applicant, held, ids, known, network_day


class Queue(RuleBasedStateMachine):
    """Beside the day stands the plainest model: the ids in the order of application."""

    def __init__(self) -> None:
        super().__init__()
        self.day = network_day(places=2)
        self.order: list[UUID] = []
        self.from_events: dict[UUID, str] = {}

    def see(self, *events: Any) -> None:
        for event in events:
            match type(event).__name__:
                case "PlaceBooked":
                    assert (event.place_id in self.from_events) == event.from_waiting_list
                    self.from_events[event.place_id] = "booked"
                case "PlaceWaitlisted":
                    self.from_events[event.place_id] = "waiting"
                case "PlaceReleased":
                    del self.from_events[event.place_id]

    @rule()
    def book(self) -> None:
        self.day, place, event = self.day.book(uuid4(), applicant())
        self.order.append(place.place_id)
        self.see(event)

    @precondition(lambda self: self.order)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        place_id = data.draw(st.sampled_from(self.order))
        self.day, events = self.day.release(place_id)
        self.order.remove(place_id)
        self.see(*events)

    @rule(more=st.integers(min_value=0, max_value=3))
    def reschedule(self, more: int) -> None:
        places = max(1, len(self.day.booked)) + more
        self.day, events = self.day.reschedule(
            date=None, venue=None, places=places, known=known(), today=TODAY, role="office"
        )
        self.see(*events)

    @precondition(lambda self: self.day.booked)
    @rule()
    def hold_and_reopen(self) -> None:
        assert {place.attendance for place in held(self.day).booked} == {Attendance.ATTENDED}
        self.day, _ = held(self.day).reopen()

    @invariant()
    def the_day_is_never_overbooked(self) -> None:
        assert len(self.day.booked) <= self.day.places

    @invariant()
    def nobody_waits_while_a_place_is_free(self) -> None:
        assert not self.day.waiting or len(self.day.booked) == self.day.places

    @invariant()
    def the_queue_is_in_the_order_of_application(self) -> None:
        assert ids(self.day.waiting) == [i for i in self.order if i in set(ids(self.day.waiting))]
        assert {*ids(self.day.booked), *ids(self.day.waiting)} == set(self.order)

    @invariant()
    def the_events_tell_the_same(self) -> None:
        assert self.from_events == {
            place.place_id: place.status.value for place in (*self.day.booked, *self.day.waiting)
        }


TestQueue = Queue.TestCase
TestQueue.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
