"""Long arrays as text, which PostgreSQL reads: asyncpg asks of each element what it is, and what it
is not, which took a tenth of a batch's time."""

from collections.abc import Iterable


def of_texts(texts: Iterable[str]) -> str:
    """For `$1::text::text[]`; none of the texts holds a NUL, which PostgreSQL would not take."""
    texts = list(texts)
    quoted = "\0".join(texts).replace("\\", "\\\\").replace('"', '\\"').replace("\0", '","')
    return f'{{"{quoted}"}}' if texts else "{}"


def of_plain(values: Iterable[object]) -> str:
    """For `$1::text::bigint[]` and `$1::text::uuid[]`: what needs no quotes."""
    return f"{{{','.join(map(str, values))}}}"
