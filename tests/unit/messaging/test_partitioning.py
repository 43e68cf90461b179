"""A key's partition is the one that every other client of Kafka would choose."""

from aiokafka.partitioner import DefaultPartitioner
from aiokafka.partitioner import murmur2 as theirs
from hypothesis import given
from hypothesis import strategies as st

from shared.messaging.partitioning import murmur2, partition_of


@given(st.binary(max_size=60))
def test_hashes_as_aiokafka_does(key: bytes) -> None:
    assert murmur2(key) == theirs(key)


@given(st.binary(max_size=60), st.integers(1, 50))
def test_chooses_the_partition_that_aiokafka_chooses(key: bytes, partitions: int) -> None:
    numbers = list(range(partitions))
    assert partition_of(key, partitions) == DefaultPartitioner()(key, numbers, numbers)
