"""Which partition a key belongs to, as every client of Kafka has it by default: murmur2.

aiokafka's own takes a Python step for every byte: as long as all the rest of sending a record.
"""

import struct
from functools import lru_cache

_MASK = 0xFFFFFFFF
_M = 0x5BD1E995


def partition_of(key: bytes, partitions: int) -> int:
    """The number of the partition, of so many."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


@lru_cache(maxsize=10_000)
def murmur2(data: bytes) -> int:
    """The 32-bit hash, with the seed that Kafka uses."""
    whole = len(data) & ~3
    hashed = 0x9747B28C ^ len(data)
    for number in struct.unpack_from(f"<{whole >> 2}I", data):
        word = number * _M & _MASK
        hashed = (hashed * _M ^ (word ^ word >> 24) * _M) & _MASK
    if rest := data[whole:]:
        hashed = (hashed ^ int.from_bytes(rest, "little")) * _M & _MASK
    hashed = (hashed ^ hashed >> 13) * _M & _MASK
    return hashed ^ hashed >> 15
