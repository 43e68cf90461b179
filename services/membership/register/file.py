"""The register as a file: taken in chunk by chunk, unpacked, and found to be text or refused.

A register may be plain, gzip or zip, in UTF-8 or in Windows-1252, as GIAS itself writes it. It is
unpacked once into a temporary file, whole, before a row of it goes in: so a file that is cut off
is refused, and nothing of it is imported.
"""

import codecs
import gzip
import lzma
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Final, Self

from services.membership.register.columns import NEEDED, columns_of
from shared.problems import Invalid

CHUNK_BYTES: Final = 256 * 1024
MOST_UNPACKED_BYTES: Final = 1024 * 1024 * 1024
"""The national register with all of its columns has some 60 MB."""


class NoRegister(Invalid):
    title = "The file is no school register"


class RegisterCutOff(Invalid):
    title = "The school register is cut off"


@dataclass(frozen=True, slots=True)
class RegisterText:
    """An unpacked register, and how to read its bytes as text."""

    file: IO[bytes]
    encoding: str


class Spool:
    """A file that arrives, kept in a temporary one, so that memory stays flat.

    Use as a context manager: `write` what arrives, then `unpack` once.
    """

    def __init__(self) -> None:
        self._arrived: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        self._unpacked: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._arrived.close()
        self._unpacked.close()

    def write(self, chunk: bytes) -> None:
        self._arrived.write(chunk)

    def unpack(self) -> RegisterText:
        """Raises NoRegister or RegisterCutOff, which say what is wrong with the file."""
        text = _Text(self._unpacked)
        try:
            for chunk in _unpacked(self._arrived):
                text.write(chunk)
        except gzip.BadGzipFile as error:
            raise NoRegister(f"The file cannot be unpacked: {error}.") from None
        except (EOFError, zlib.error, lzma.LZMAError, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # not bzip2's word for damage, but the disk's
            raise RegisterCutOff(
                f"The packed file is cut off or damaged ({error}). Nothing was imported; "
                "fetch it again and send it whole."
            ) from None
        return text.finished()


class _Text:
    """Writes bytes on, and finds out what they are on the way."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._utf8 = codecs.getincrementaldecoder("utf-8")("strict")
        self._is_utf8 = True
        self._size = 0
        self._start = b""

    def write(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size > MOST_UNPACKED_BYTES:
            raise NoRegister(f"The file has more than {MOST_UNPACKED_BYTES // 1024**2} MiB.")
        if b"\0" in chunk:
            raise NoRegister(f"The file is not text. {_WANTED}")
        if not self._start:
            self._start = chunk[:3]
        self._decode(chunk)
        self._file.write(chunk)

    def finished(self) -> RegisterText:
        if self._size == 0:
            raise NoRegister(f"The file is empty. {_WANTED}")
        self._decode(b"", final=True)
        self._file.seek(0)
        if self._start == codecs.BOM_UTF8:
            return RegisterText(self._file, "utf-8-sig")
        return RegisterText(self._file, "utf-8" if self._is_utf8 else "cp1252")

    def _decode(self, chunk: bytes, *, final: bool = False) -> None:
        if self._is_utf8:
            try:
                self._utf8.decode(chunk, final)
            except UnicodeDecodeError:
                self._is_utf8 = False


_WANTED: Final = (
    "Send the register as GIAS gives it: CSV with a header line, plain, gzip or zip, with the "
    f"columns {' and '.join(NEEDED)} at least."
)


def _unpacked(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    start = file.read(4)
    file.seek(0)
    if start[:2] == b"\x1f\x8b":
        with gzip.open(file) as unpacked:
            yield from _chunks(unpacked)
    elif start in (b"PK\x03\x04", b"PK\x05\x06"):
        yield from _from_zip(file)
    else:
        yield from _chunks(file)


def _from_zip(file: IO[bytes]) -> Iterator[bytes]:
    try:
        with zipfile.ZipFile(file) as archive, archive.open(_register_in(archive)) as unpacked:
            yield from _chunks(unpacked)
    except zipfile.BadZipFile as error:
        # Its directory stands at the end, so this is what a cut-off archive looks like, too.
        raise RegisterCutOff(
            f"The zip archive is cut off or damaged ({error}). Nothing was imported; fetch it "
            "again and send it whole."
        ) from None
    except (RuntimeError, NotImplementedError) as error:
        raise NoRegister(f"The zip archive cannot be unpacked: {error}.") from None


def _register_in(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """The member with the header of a register: GIAS packs lists of links beside it."""
    candidates = [each for each in archive.infolist() if each.filename.lower().endswith(".csv")]
    for candidate in candidates:
        with archive.open(candidate) as member:
            header = member.readline(CHUNK_BYTES).decode("latin-1")
        if not columns_of(header.removeprefix("ï»¿")).missing:
            return candidate
    if len(candidates) == 1:
        return candidates[0]
    raise NoRegister(f"There is no register among the {len(archive.infolist())} files of the zip "
                     f"archive. {_WANTED}")  # fmt: skip


def _chunks(file: IO[bytes] | gzip.GzipFile) -> Iterator[bytes]:
    while chunk := file.read(CHUNK_BYTES):
        yield chunk
