"""A guest's event never bears a topic of the system."""

from __future__ import annotations

import pytest

from broker.event_rights import MAX_TOPIC, is_topic, may_publish
from broker.registry import events, topics


@pytest.mark.parametrize("topic", ["thing", "my.own-thing", "jobs", "x", "1000-tool.event"])
def test_a_guest_may_publish_its_own(topic: str) -> None:
    assert may_publish(topic)


@pytest.mark.parametrize(
    "topic",
    [
        "job-exception",
        "job.x",
        "JOB-exception",
        "kvs",
        "kvs_x",
        "shell-12.kill",
        "hb",
        "",
        ".kvs",
        "-job",
        "wreck.1.state",
    ],
)
def test_what_the_system_publishes_is_reserved(topic: str) -> None:
    assert not may_publish(topic)


def test_every_service_and_every_event_a_service_acts_on_is_reserved() -> None:
    free = {topic.name for topic in topics() if may_publish(topic.name)}
    free |= {prefix for prefix, _, _ in events() if may_publish(prefix)}
    assert free == set()


@pytest.mark.parametrize("text", ["", "a" * (MAX_TOPIC + 1), "a\nb", "a\x1b", "a\udcff"])
def test_what_is_no_topic(text: str) -> None:
    assert not is_topic(text)
