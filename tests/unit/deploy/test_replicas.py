"""What replicas are called, and how many of them are wanted."""

from pathlib import Path

from deploy.embedded.replicas import replica_name, replicas_among, want, wanted


def test_replicas_are_listed_by_their_numbers() -> None:
    names = [replica_name("cpd", number) for number in range(1, 12)]
    assert names[:2] == ["cpd", "cpd-2"]
    assert replicas_among([*sorted(names), "kafka", "reporting-2"], "cpd") == names


def test_a_replica_of_a_part_is_one_of_its_service() -> None:
    part = replica_name("cpd", 2, "consumer")
    assert part == "cpd-consumer-2"
    assert replicas_among([part, "cpd"], "cpd") == ["cpd", part]


def test_one_replica_is_wanted_until_somebody_says_otherwise(tmp_path: Path) -> None:
    assert wanted(tmp_path, "cpd") == 1
    want(tmp_path, "cpd", 3)
    want(tmp_path, "reporting", 2)
    assert (wanted(tmp_path, "cpd"), wanted(tmp_path, "reporting")) == (3, 2)
