"""The messaging kernel: stream, journal, outbox, relay; consumer, inbox, set aside, parked."""

from shared.events import Caused, Event, Received
from shared.messaging.effects import Effect, Effects
from shared.messaging.journal import Transaction

__all__ = ["Caused", "Effect", "Effects", "Event", "Received", "Transaction"]
