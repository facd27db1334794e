"""Lines of a pane: filtered, wrapped, searched."""

from __future__ import annotations

import pytest

from tui.model.logs import Line
from tui.widgets.log_lines import LogLines


def lines(*texts: str, kind: str = "stdout") -> list[Line]:
    return [Line(kind, "", text) for text in texts]


def rows(log: LogLines) -> list[str]:
    found = []
    for row in range(log.rows):
        index, part = log.at(row)
        start, end = log.pieces(log.shown[index].text)[part]
        found.append(log.shown[index].text[start:end])
    return found


def test_without_wrapping_a_line_is_a_row() -> None:
    log = LogLines()
    log.extend(lines("a" * 50, "b"))
    assert rows(log) == ["a" * 50, "b"]
    assert log.text_width == 50


@pytest.mark.parametrize(
    ("by_words", "text", "expected"),
    [
        (False, "0123456789abcdef!", ["0123456789", "abcdef!"]),
        (False, "one two three four", ["one two th", "ree four"]),
        (True, "one two three four", ["one two", "three four"]),
        (True, "x 0123456789abcdef", ["x 01234567", "89abcdef"]),
        (False, "\u4e2d" * 7, ["\u4e2d" * 5, "\u4e2d" * 2]),
        (False, "", [""]),
        (True, "\u00e9" * 12, ["\u00e9" * 10, "\u00e9" * 2]),
    ],
)
def test_long_lines_are_wrapped(by_words: bool, text: str, expected: list[str]) -> None:
    log = LogLines(by_words=by_words)
    log.set_wrap(10)
    log.extend(lines("first", text, "last"))
    assert rows(log) == ["first", *expected, "last"]
    assert log.row_of(1) == 1
    assert log.row_of(2) == 1 + len(expected)


def test_wrapping_takes_in_what_comes_later_and_other_widths() -> None:
    log = LogLines()
    log.set_wrap(10)
    log.extend(lines("a" * 25))
    log.extend(lines("b" * 11))
    assert log.rows == 5
    log.set_wrap(20)
    assert log.rows == 3
    log.set_wrap(3)
    assert log.rows == 2


def test_only_what_is_kept_is_shown_and_nothing_is_lost() -> None:
    log = LogLines()
    log.set_wrap(10)
    log.extend(lines("a", "b") + lines("x" * 12, kind="stderr"))
    log.keep(lambda line: line.kind == "stderr")
    assert rows(log) == ["x" * 10, "xx"]
    assert log.extend(lines("c")) == 0
    assert log.extend(lines("y", kind="stderr")) == 1
    assert log.search("y") == ""
    assert log.hits == [1]
    log.keep(None)
    assert [line.text for line in log.shown] == ["a", "b", "x" * 12, "c", "y"]
    assert log.hits == [4]
    assert log.extend(lines("yy")) == 1
    assert log.hits == [4, 5]


def test_a_search_is_a_regular_expression_and_deaf_to_case_without_capitals() -> None:
    log = LogLines()
    log.extend(lines("Step 12", "step x", "STEP 7 (of"))
    assert log.search(r"step \d+") == ""
    assert log.hits == [0, 2]
    log.search("Step")
    assert log.hits == [0]
    assert "subpattern" in log.search("(of")
    assert log.hits == [2]
    log.search("")
    assert (log.hits, log.pattern) == ([], None)


def test_the_next_error_is_looked_for_round_the_end() -> None:
    log = LogLines()
    assert log.next_error(0, 1) is None
    log.extend([*lines("a", "error: b", "c"), *lines("d", kind="stderr"), *lines("e")])
    assert [log.next_error(start, 1) for start in (-1, 1, 3)] == [1, 3, 1]
    assert [log.next_error(start, -1) for start in (4, 3, 1)] == [3, 1, 3]


def test_the_next_error_is_found_among_very_many_lines() -> None:
    log = LogLines()
    log.extend(lines(*(f"line {number}" for number in range(5000))))
    assert log.next_error(2500, 1) is None
    assert log.next_error(2500, -1) is None
    log.extend(lines("it FAILED"))
    log.extend(lines(*(f"terror {number}" for number in range(3000))))
    log.extend(lines("panic"))
    assert [log.next_error(start, 1) for start in (0, 4999, 5000, 8001)] == [5000, 5000, 8001, 5000]
    assert [log.next_error(start, -1) for start in (0, 5000, 8001)] == [8001, 8001, 5000]


def test_control_characters_are_made_visible_before_they_are_measured() -> None:
    log = LogLines()
    log.extend(lines("a\x1b[2J"))
    assert log.shown[0].text == "a\\u001b[2J"
    assert log.text_width == 10
