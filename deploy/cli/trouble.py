"""Mistakes that a person can make at a terminal; each is one line on stderr and exit code 2."""

from deploy.embedded.trouble import Trouble

__all__ = ["CannotDo", "Trouble"]


class CannotDo(Trouble):
    """What was asked for cannot be done; the message says what, why, and the way out."""
