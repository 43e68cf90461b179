"""Keyset pages: every list, however long, in pieces that never skip a row.

A list is ordered by a key that does not change, such as its id. The cursor holds the last key of
the page, so rows that are inserted or changed meanwhile move nothing. What a walk cannot see is a
row that is committed later with a smaller key. `updated_since` catches it:

- each listed table has the column `UPDATED_AT`; whoever updates a row sets `updated_at = now()`.
  PostgreSQL's now() is the time when the transaction began, which may be long before its commit;
- a transaction lives no longer than `transaction_timeout`, which the server enforces, so a row
  that is committed at t carries an `updated_at` after t - timeout. A query for rows updated since
  s therefore looks for `updated_at >= s - LATE`: `PageRequest.updated_since` has LATE taken off;
- each page says `as_of`, when its walk began: a client that asks next time for what was updated
  since then gets all that its walk could not see. Some rows come twice, none is skipped.
"""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Generic, TypeVar
from uuid import UUID

from fastapi import Depends, Query
from pydantic import AwareDatetime, BaseModel, Field

from shared.problems import Refused
from shared.web.bodies import Moment

UPDATED_AT: Final = "updated_at timestamptz NOT NULL DEFAULT now()"
"""The column, as a migration writes it, with an index; see above."""

LATE: Final = timedelta(seconds=90)
"""Longest transaction (60 s, the consumer's) and a difference of clocks (30 s)."""

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 1000

T = TypeVar("T")
Row = TypeVar("Row")


class MomentNotValid(Refused):
    status = 422
    title = "The moment is out of range"


class CursorNotValid(Refused):
    status = 422
    title = "The cursor is not valid"


@dataclass(frozen=True, kw_only=True)
class PageRequest:
    """Which page is wanted. Query for `fetch` rows: the one too many says that more follow."""

    limit: int
    updated_since: datetime | None
    """Rows with `updated_at` of this or later; None: all. Earlier than the client asked by LATE."""
    as_of: datetime
    after_key: tuple[str, ...] | None = None

    @property
    def fetch(self) -> int:
        return self.limit + 1

    @property
    def after(self) -> UUID | None:
        """The id after which the page begins, for lists ordered by id; None: at the beginning."""
        key = self.key(UUID)
        return None if key is None else key[0]

    def key(self, *read: Callable[[str], Any]) -> tuple[Any, ...] | None:
        """The key after which the page begins, for lists ordered by several columns.

        One function a column, as in `page.key(date.fromisoformat, UUID)`.
        """
        if self.after_key is None:
            return None
        try:
            return tuple(column(text) for column, text in zip(read, self.after_key, strict=True))
        except ValueError:
            raise _not_valid() from None


def _page_request(
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Items a page")] = DEFAULT_LIMIT,
    cursor: Annotated[
        str | None, Query(max_length=1000, description="`next` of the page before")
    ] = None,
    updated_since: Annotated[
        Moment | None,
        Query(description="Only what changed then or later: `as_of` of the last walk"),
    ] = None,
) -> PageRequest:
    if cursor is not None:
        return replace(_read(cursor), limit=limit)
    # The database's clock is meant, not the service's: rows are stamped by it. LATE allows for it.
    return PageRequest(
        limit=limit,
        updated_since=None if updated_since is None else _with_late(updated_since),
        as_of=datetime.now(UTC),
    )


def _with_late(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC) - LATE
    except OverflowError:
        raise MomentNotValid(
            f"Nothing changed at {moment.isoformat()}: take `as_of` of the walk before, or leave "
            "updated_since out to get all.",
            errors=[("/query/updated_since", "A moment of our time, in UTC.")],
        ) from None


PageQuery = Annotated[PageRequest, Depends(_page_request)]
"""The query parameters `limit`, `cursor` and `updated_since`."""


class Page(BaseModel, Generic[T]):
    """One page of a list."""

    items: list[T]
    next: str | None = Field(description="The cursor of the next page; null: this is the last")
    as_of: datetime = Field(description="When the walk began: `updated_since` of the next walk")

    @classmethod
    def of(
        cls,
        page: PageRequest,
        rows: Sequence[Row],
        item: Callable[[Row], T],
        key: Callable[[Row], object] | None = None,
    ) -> "Page[T]":
        """The answer from up to `page.fetch` rows.

        `key` takes the ordering key from a row: one value or a tuple; the column `id` if not given.
        """
        shown = rows[: page.limit]
        more = len(rows) > page.limit
        key_of: Callable[[Any], object] = key or (lambda row: row["id"])
        return cls(
            items=[item(row) for row in shown],
            next=_cursor(page, key_of(shown[-1])) if more else None,
            as_of=page.as_of,
        )


def _cursor(page: PageRequest, key: object) -> str:
    values = key if isinstance(key, tuple) else (key,)
    content = {
        "k": [_text(value) for value in values],
        "s": page.updated_since.isoformat() if page.updated_since else None,
        "b": page.as_of.isoformat(),
    }
    packed = json.dumps(content, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def _text(value: object) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


class _Cursor(BaseModel):
    k: list[str] = Field(min_length=1)
    s: AwareDatetime | None
    b: AwareDatetime


def _read(cursor: str) -> PageRequest:
    try:
        packed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        content = _Cursor.model_validate_json(packed, strict=False)
        since = None if content.s is None else content.s.astimezone(UTC)
    except (ValueError, OverflowError, binascii.Error):
        raise _not_valid() from None
    return PageRequest(
        limit=DEFAULT_LIMIT,
        updated_since=since,
        as_of=content.b,
        after_key=tuple(content.k),
    )


def _not_valid() -> CursorNotValid:
    return CursorNotValid(
        "This cursor was not made by this list. Take `next` of the page before as it is, "
        "or leave the cursor out to begin at the first page.",
        errors=[("/query/cursor", "This is not a cursor of this list.")],
    )
