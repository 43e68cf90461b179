"""Rows that were read and wait for their turn: on disk, so that memory is flat."""

import pickle
from collections.abc import Iterator
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Final, Self

from services.membership.domain.register import RegisterRow

BATCH_ROWS: Final = 1000


class Shelf:
    """Use as a context manager: `put` all rows, then take `batches` of them, in their order."""

    def __init__(self) -> None:
        # Nobody else can write to it, as it has no name: what is unpickled is what was pickled.
        self._file: IO[bytes] = TemporaryFile()  # noqa: SIM115 - closed in __exit__
        self._last: list[RegisterRow] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def put(self, row: RegisterRow) -> None:
        self._last.append(row)
        if len(self._last) == BATCH_ROWS:
            pickle.dump(self._last, self._file, pickle.HIGHEST_PROTOCOL)
            self._last = []

    def batches(self) -> Iterator[list[RegisterRow]]:
        """Of BATCH_ROWS; the last may have less."""
        end = self._file.tell()
        self._file.seek(0)
        while self._file.tell() < end:
            yield pickle.load(self._file)  # noqa: S301 - our own
        if self._last:
            yield self._last
