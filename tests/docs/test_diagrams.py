"""The diagrams of docs/architecture.md are drawn from the tables that run the state machines."""

from __future__ import annotations

from docs import diagrams


def test_the_page_has_every_diagram_and_is_up_to_date() -> None:
    text = diagrams.PAGE.read_text("utf-8")
    assert sorted(diagrams.names(text)) == sorted(diagrams.DIAGRAMS)
    assert diagrams.drawn(text) == text, "run make docs"


def test_events_between_the_same_states_share_a_line() -> None:
    edges = [("a", "x", "b"), ("a", "y", "b"), ("b", "z", "b"), ("b", "end", "c")]
    assert diagrams.mermaid(edges).splitlines() == [
        *("```mermaid", "stateDiagram-v2", "    [*] --> a", "    a --> b: x, y"),
        *("    b --> b: z", "    b --> c: end", "    c --> [*]", "```"),
    ]


def test_a_change_of_a_table_would_be_noticed() -> None:
    text = "<!-- diagram: job -->\nold\n<!-- end of diagram -->\n"
    assert "NEW --> DEPEND: submit" in diagrams.drawn(text)
    assert "SCHED --> CLEANUP: fatal exception" in diagrams.drawn(text)
    assert "old" not in diagrams.drawn(text)
