"""Why there can be no rebuild, in words for the operator."""


class CannotRebuild(Exception):  # noqa: N818 - reads as a claim
    """There can be no rebuild just now; the message says why, and the way out."""
