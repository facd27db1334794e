"""Lines that others cause are bounded, and what was left out is told."""

from __future__ import annotations

from broker.log_limit import LineLimit


def test_so_many_lines_in_a_period() -> None:
    now = 0.0
    lines: list[str] = []
    limit = LineLimit(2, 10.0, lambda: now, lines.append)
    for number in range(5):
        limit(f"line {number}")
    assert lines == ["line 0", "line 1"]
    now = 10.0
    limit("later")
    assert lines[2:] == ["3 more messages like these were left out", "later"]
    limit.flush()
    assert lines[-1] == "later"


def test_the_end_tells_what_was_left_out() -> None:
    lines: list[str] = []
    limit = LineLimit(1, 10.0, lambda: 0.0, lines.append)
    limit("a")
    limit("b")
    limit.flush()
    assert lines == ["a", "1 more messages like these were left out"]
