"""The list of what each service may do on Kafka."""

from shared.events import TOPICS
from shared.messaging.access import Grant, grants, user
from shared.service import SERVICES


def test_each_topic_has_one_writer_and_everybody_reads_it() -> None:
    for topic in TOPICS.values():
        writers = [s for s in SERVICES if Grant("TOPIC", topic.name, "WRITE") in grants(s, "")]
        readers = [s for s in SERVICES if Grant("TOPIC", topic.name, "READ") in grants(s, "")]
        assert writers == [topic.service]
        assert readers == list(SERVICES)


def test_only_who_writes_a_compacted_topic_has_a_transactional_id() -> None:
    having = {s for s in SERVICES for each in grants(s, "") if each.kind == "TRANSACTIONAL_ID"}
    assert having == {topic.service for topic in TOPICS.values() if topic.compacted}


def test_platforms_that_share_a_kafka_have_nothing_in_common() -> None:
    assert user("cpd", "one.") != user("cpd", "two.")
    assert not grants("cpd", "one.") & grants("cpd", "two.")
    assert all(each.name.startswith("one.") for each in grants("cpd", "one."))
