"""How things are called: a name is one line of text that says something."""

import unicodedata
from typing import Final

from shared.problems import Invalid

LONGEST: Final = 200


class NameRefused(Invalid):
    title = "The name cannot be used"


def checked_name(name: str, of: str) -> str:
    """The name with single spaces; NameRefused where it is empty, too long or no text.

    `of` says what is named, as in “network”.
    """
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name.strip()):
        raise NameRefused(
            f"The name of a {of} is one line of text, without control characters.",
            errors=[("#/name", "one line of text")],
        )
    tidy = " ".join(name.split())
    if not tidy or len(tidy) > LONGEST:
        raise NameRefused(
            f"The name of a {of} has from 1 to {LONGEST} characters, not {len(tidy)}.",
            errors=[("#/name", f"from 1 to {LONGEST} characters")],
        )
    return tidy
