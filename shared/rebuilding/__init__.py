"""A service's answers are made anew from the log, beside the old ones, and take their place.

Only for a service that publishes nothing: its rows are a function of the log.
"""

from shared.rebuilding.differences import Difference, Example
from shared.rebuilding.rebuild import Rebuilt, check_rebuildable, rebuild
from shared.rebuilding.refusal import CannotRebuild

__all__ = [
    "CannotRebuild",
    "Difference",
    "Example",
    "Rebuilt",
    "check_rebuildable",
    "rebuild",
]
