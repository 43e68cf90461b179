"""What a batch needs goes back to the system after it."""

import platform
import subprocess
import sys

import pytest

LEFT = """
import ctypes, sys
from shared.memory import return_large_blocks

class Counts(ctypes.Structure):  # mallinfo2(3)
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks",
        "fordblks", "keepcost")]

mallinfo2 = ctypes.CDLL(None).mallinfo2
mallinfo2.restype = Counts
if sys.argv[1] == "returned":
    return_large_blocks()
bytes(16 << 20)  # from its freeing glibc learns to take such from the heap
large, small = [], []
for _ in range(20):
    large.append(bytes(1 << 20))
    small.append(bytes(2000))
del large
print(mallinfo2().fordblks)
"""


def left(how: str) -> int:
    """Bytes that the heap holds free, after large blocks among small ones have been freed."""
    done = subprocess.run(
        [sys.executable, "-c", LEFT, how], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's memory is counted")
def test_large_blocks_go_back_to_the_system_though_small_ones_between_them_live_on() -> None:
    assert left("kept") > 10 << 20
    assert left("returned") < 5 << 20
