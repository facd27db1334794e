"""Every request is described, in docs/topics.md, by its own handler."""

from __future__ import annotations

import importlib.util
import pathlib
import sys
from typing import TYPE_CHECKING

from broker.registry import topics

if TYPE_CHECKING:
    from types import ModuleType

ROOT = pathlib.Path(__file__).parents[2]


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_topics", ROOT / "docs" / "topics.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_every_request_says_what_it_does() -> None:
    assert [topic.name for topic in topics() if not topic.doc] == []


def test_the_page_is_up_to_date() -> None:
    assert not generator().stale(), "run make docs"


def test_every_service_answers_what_is_common() -> None:
    names = {topic.name for topic in topics()}
    assert {f"{topic.service}.ping" for topic in topics()} <= names
