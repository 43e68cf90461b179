"""How the process treats memory: what a batch needs goes back to the system after it."""

import ctypes
import gc
from typing import Final

M_MMAP_THRESHOLD: Final = -3
"""Of glibc's mallopt(3)."""
LARGE: Final = 128 * 1024
"""Bytes, glibc's own beginning."""


def tune() -> None:
    """Once a process has started."""
    spare_the_collector()
    return_large_blocks()


def spare_the_collector() -> None:
    """What start-up made lives as long as the process, so the garbage collector need not look
    through it again: that took a sixth of the processor's time in an import. A batch makes tens of
    thousands of things that it needs to its end: looking for garbage after every 700 of them took
    a fifth of a consumer's."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def return_large_blocks() -> None:
    """Has glibc give large blocks a mapping of their own, and back to the system, for good.

    With each that is freed it would take larger ones from the heap, where what lives on between
    them keeps their room: Kafka's answers, some megabytes each, left a tenth of a gigabyte behind
    in ten million events. Elsewhere than on glibc nothing is done.
    """
    try:
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE)
    except (OSError, AttributeError):
        return
