"""Every request is described, in docs/topics.md, by its own handler."""

from __future__ import annotations

from broker.registry import topics
from docs import topics as page


def test_every_request_says_what_it_does() -> None:
    assert [topic.name for topic in topics() if not topic.doc] == []


def test_the_page_is_up_to_date() -> None:
    assert not page.stale(), "run make docs"


def test_every_service_answers_what_is_common() -> None:
    names = {topic.name for topic in topics()}
    assert {f"{topic.service}.ping" for topic in topics()} <= names
