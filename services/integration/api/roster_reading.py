"""A OneRoster file as it is uploaded: a zip of CSV files, checked against its manifest."""

import csv
import io
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Final

from services.integration.domain.oneroster import (
    HEADERS,
    NOT_STAFF,
    USED,
    Mode,
    Roster,
    RosterRefused,
    Row,
    modes,
)

MOST_BYTES: Final = 32 * 1024 * 1024
"""Of the zip."""
MOST_UNZIPPED: Final = 256 * 1024 * 1024
"""Of each file in it that is read: a few bytes can be unzipped for ever."""
MOST_STAFF: Final = 50_000
"""Roles of staff."""


def read(body: bytes) -> Roster:
    """Raises RosterRefused, which says in which file and line it is wrong."""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            return _read(_Files(archive))
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise RosterRefused(f"It is no zip that can be read: {error}.") from None


def _read(files: "_Files") -> Roster:
    how = modes(list(files.rows("manifest")))
    files.check(how)
    sent = {name: how.get(name, "absent") for name in USED}
    for name, mode in sent.items():
        if mode == "bulk" and "delta" in sent.values():
            other = next(each for each in USED if sent[each] == "delta")
            raise RosterRefused(f"{name} is sent in bulk and {other} as delta: send both alike.")
    roles, passed_over = _staff(files.sent(how, "roles"))
    wanted = {role["userSourcedId"] for role in roles}
    return Roster(
        modes=how,
        orgs=list(files.sent(how, "orgs")),
        roles=roles,
        users=[
            row for row in files.sent(how, "users") if sent["users"] == "delta" or row.id in wanted
        ],
        passed_over=passed_over,
    )


def _staff(rows: Iterator[Row]) -> tuple[list[Row], int]:
    """The roles of staff, and how many others there are."""
    staff: list[Row] = []
    others = 0
    for row in rows:
        if row["role"].lower() in NOT_STAFF:
            others += 1
        else:
            staff.append(row)
        if len(staff) > MOST_STAFF:
            raise RosterRefused(f"roles.csv has more than {MOST_STAFF:,} roles of staff.")
    return staff, others


class _Files:
    """The files of an archive, each read once and no further than is good."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._names = [each.filename for each in archive.infolist() if not each.is_dir()]
        if twice := {name for name in self._names if self._names.count(name) > 1}:
            raise RosterRefused(f"{min(twice)} is in the zip twice.")
        if "manifest.csv" not in self._names:
            raise RosterRefused(
                "There is no manifest.csv in the zip. The files stand in it by themselves, in no "
                "folder."
            )

    def check(self, how: Mapping[str, Mode]) -> None:
        """Whether what the manifest says is there, and what is there is in the manifest."""
        for name, mode in how.items():
            there = f"{name}.csv" in self._names
            if there != (mode != "absent"):
                raise RosterRefused(
                    f"manifest.csv says file.{name} is {mode}, and {name}.csv is "
                    f"{'' if there else 'not '}in the zip."
                )
        named = {f"{name}.csv" for name in how} | {"manifest.csv"}
        if others := sorted(set(self._names) - named):
            raise RosterRefused(f"{others[0]} is in the zip and not in manifest.csv.")

    def sent(self, how: Mapping[str, Mode], name: str) -> Iterator[Row]:
        """The rows of a file, none where it is absent."""
        if how.get(name, "absent") == "absent":
            return iter(())
        return self.rows(name, _moded(how[name]))

    def rows(self, name: str, check: Callable[[Row], None] = lambda _: None) -> Iterator[Row]:
        wanted = HEADERS[name]
        with self._archive.open(f"{name}.csv") as opened:
            text = io.TextIOWrapper(_Bounded(opened, name), "utf-8-sig", newline="")  # type: ignore[type-var]
            lines = csv.reader(text, strict=True)
            seen: set[str] = set()
            try:
                header = next(lines, [])
                if tuple(header[: len(wanted)]) != tuple(wanted):
                    raise RosterRefused(f"The header of {name}.csv is not: {', '.join(wanted)}.")
                for values in lines:
                    if not values:
                        continue
                    if len(values) != len(header):
                        raise RosterRefused(
                            f"{name}.csv, line {lines.line_num}: {len(values)} values under "
                            f"{len(header)} columns."
                        )
                    row = Row(name, lines.line_num, dict(zip(header, values, strict=True)))
                    check(row)
                    if row.id and row.id in seen:
                        raise RosterRefused(
                            f"{name}.csv, line {row.line}: its sourcedId was there before."
                        )
                    seen.add(row.id)
                    yield row
            except UnicodeDecodeError:
                raise RosterRefused(
                    f"{name}.csv, after line {lines.line_num}: it is not in UTF-8."
                ) from None
            except csv.Error as error:
                raise RosterRefused(f"{name}.csv, line {lines.line_num}: {error}.") from None


def _moded(mode: Mode) -> Callable[[Row], None]:
    """The standard has a status in each row of a delta, and in none of a bulk file."""

    def check(row: Row) -> None:
        status = row["status"].lower()
        if mode == "bulk" and status not in ("", "active"):
            raise RosterRefused(f"{row.file}.csv, line {row.line}: a bulk file has no status.")
        if mode == "delta" and status not in ("active", "tobedeleted"):
            raise RosterRefused(
                f"{row.file}.csv, line {row.line}: the status in a delta is active or tobedeleted."
            )

    return check


class _Bounded(io.RawIOBase):
    """Reads another file, and refuses to go on where it is too long."""

    def __init__(self, inner: IO[bytes], name: str) -> None:
        self._inner = inner
        self._name = name
        self._left = MOST_UNZIPPED

    def readable(self) -> bool:
        return True

    def readinto(self, into: "memoryview") -> int:  # type: ignore[override]
        read = self._inner.read(len(into))
        self._left -= len(read)
        if self._left < 0:
            raise RosterRefused(
                f"{self._name}.csv is larger than {MOST_UNZIPPED // 1024 // 1024} MB unzipped."
            )
        into[: len(read)] = read
        return len(read)
