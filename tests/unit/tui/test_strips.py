"""What differs between two drawings."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tui.widgets.strips import changed_span

RED, BLUE = Style(color="red"), Style(color="blue")


def strip(text: str, style: Style = RED) -> Strip:
    return Strip([Segment(text, style)])


def test_only_what_looks_different() -> None:
    assert changed_span(strip("4m03s"), strip("4m03s")) is None
    assert changed_span(strip("4m03s  x"), strip("4m04s  x")) == (3, 4)
    assert changed_span(strip("abc"), strip("abc", BLUE)) == (0, 3)
    halves = Strip([Segment("ab", RED), Segment("c", RED)])
    assert changed_span(strip("abc"), halves) is None
    assert changed_span(strip("abc"), strip("abcd")) == (3, 4)


def test_wide_characters_are_not_halved() -> None:
    assert changed_span(strip("a世b"), strip("a界b")) == (1, 3)
    assert changed_span(strip("a世b"), strip("axyb")) == (1, 3)


@given(st.text("ab世", max_size=8), st.text("ab世", max_size=8))
def test_outside_of_the_span_both_are_the_same(one: str, other: str) -> None:
    old, new = strip(one), strip(other)
    width = max(old.cell_length, new.cell_length)
    old, new = old.adjust_cell_length(width, RED), new.adjust_cell_length(width, RED)
    span = changed_span(old, new)
    first, last = span or (width, width)
    assert old.crop(0, first).text == new.crop(0, first).text
    assert old.crop(last, width).text == new.crop(last, width).text
    assert (span is None) == (old.text == new.text)


PIECES = st.lists(
    st.tuples(st.text("ab界", min_size=1, max_size=4), st.sampled_from([RED, BLUE])), max_size=6
)


def looks(pieces: list[tuple[str, Style]]) -> list[tuple[str, Style]]:
    """What each cell shows: half a wide character is not what the other half is."""
    return [
        (character + str(half), style)
        for text, style in pieces
        for character in text
        for half in range(cell_len(character))
    ]


@given(PIECES, PIECES, PIECES, PIECES)
def test_all_that_differs_is_within_the_span_and_its_ends_differ(
    left: list[tuple[str, Style]],
    middle: list[tuple[str, Style]],
    other: list[tuple[str, Style]],
    right: list[tuple[str, Style]],
) -> None:
    old, new = [*left, *middle, *right], [*left, *other, *right]
    before, after = looks(old), looks(new)
    span = changed_span(*(Strip([Segment(*piece) for piece in pieces]) for pieces in (old, new)))
    if before == after:
        assert span is None
        return
    assert span is not None
    first, last = span
    assert before[:first] == after[:first]
    assert last <= max(len(before), len(after))
    if len(before) != len(after):
        assert last == max(len(before), len(after))
        return
    assert before[last:] == after[last:]
    # No more than the characters that differ: a wide one takes two cells.
    different = [i for i in range(len(before)) if before[i] != after[i]]
    assert different[0] - 1 <= first
    assert last <= different[-1] + 2
