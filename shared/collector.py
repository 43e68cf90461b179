"""Whether the collector of traces or metrics takes them, told once each time that it changes."""

import logging

log = logging.getLogger(__name__)


class Collector:
    """What became of exports; `signal` is what is exported, in the plural."""

    def __init__(self, signal: str) -> None:
        self._signal = signal
        self._away = False

    def answered(self, taken: bool, why: str = "") -> None:
        """The collector has taken an export, or not: then `why` names the error, if one is known.

        What it does not take is dropped, and nothing else changes.
        """
        if not taken and not self._away:
            log.warning(
                "The collector is away or refuses %s (%s); they are dropped",
                self._signal,
                why or "not accepted",
            )
        elif self._away and taken:
            log.info("The collector takes %s again", self._signal)
        self._away = not taken
