"""The diagrams of docs/architecture.md are drawn from the tables that run the state machines."""

from __future__ import annotations

import importlib.util
import pathlib
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="module")
def diagrams() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_diagrams", ROOT / "docs" / "diagrams.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_page_has_every_diagram_and_is_up_to_date(diagrams: ModuleType) -> None:
    text = diagrams.PAGE.read_text("utf-8")
    assert sorted(diagrams.names(text)) == sorted(diagrams.DIAGRAMS)
    assert diagrams.drawn(text) == text, "run make docs"


def test_events_between_the_same_states_share_a_line(diagrams: ModuleType) -> None:
    edges = [("a", "x", "b"), ("a", "y", "b"), ("b", "z", "b"), ("b", "end", "c")]
    assert diagrams.mermaid(edges).splitlines() == [
        *("```mermaid", "stateDiagram-v2", "    [*] --> a", "    a --> b: x, y"),
        *("    b --> b: z", "    b --> c: end", "    c --> [*]", "```"),
    ]


def test_a_change_of_a_table_would_be_noticed(diagrams: ModuleType) -> None:
    text = "<!-- diagram: job -->\nold\n<!-- end of diagram -->\n"
    assert "NEW --> DEPEND: submit" in diagrams.drawn(text)
    assert "SCHED --> CLEANUP: fatal exception" in diagrams.drawn(text)
    assert "old" not in diagrams.drawn(text)
