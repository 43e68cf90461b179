"""A set of URNs: a byte for each of the 900,000 that there can be, so that memory stays flat."""

from services.membership.domain.school import FIRST_URN, LAST_URN


class Urns:
    def __init__(self) -> None:
        self._marks = bytearray(LAST_URN - FIRST_URN + 1)

    def add(self, urn: int) -> None:
        self._marks[urn - FIRST_URN] = 1

    def __contains__(self, urn: int) -> bool:
        return self._marks[urn - FIRST_URN] == 1

    def __bool__(self) -> bool:
        return 1 in self._marks
