"""Rows of a log: what of them is in sight, and that the rest is told."""

from __future__ import annotations

import pytest
from rich.segment import Segment
from textual.strip import Strip

from tui.model.logs import Line
from tui.model.stamps import Stamps
from tui.widgets import palette
from tui.widgets.log_text import text_segments, window
from tui.widgets.palette import style

GROUND = palette.BACKGROUND


@pytest.mark.parametrize(
    ("text", "left", "width", "shown"),
    [
        ("short", 0, 8, "short   "),
        ("exactly8", 0, 8, "exactly8"),
        ("one too long", 0, 8, "one too~"),
        ("one too long", 5, 8, "oo long "),
        ("one too long", 2, 8, "e too l~"),
        ("世界世界世界", 0, 8, "世界世 ~"),
        ("世界", 0, 4, "世界"),
        ("x", 9, 3, "   "),
        ("xy", 0, 0, ""),
    ],
)
def test_a_row_that_goes_on_ends_in_a_sign(text: str, left: int, width: int, shown: str) -> None:
    row = window(Strip([Segment(text)]), left, width, GROUND, "~")
    assert (row.text, row.cell_length) == (shown, width)


def test_pieces_of_a_line_are_its_text() -> None:
    line = Line("event", "", 'submit userid=0 note="a b"')
    for piece in ((0, len(line.text)), (3, 12), (12, 20)):
        found = text_segments(line, piece, style(palette.TEXT), GROUND, None)
        assert "".join(segment.text for segment in found) == line.text[slice(*piece)]


def test_stamps_are_as_wide_as_they_say_and_come_round() -> None:
    kinds = [Stamps.NONE]
    while kinds[-1].next is not kinds[0]:
        kinds.append(kinds[-1].next)
    assert kinds == list(Stamps)
    for kind in kinds:
        assert {len(kind.of(when, 10.0)) for when in (0.0, 10.5, 3e5)} == {kind.width}
    assert Stamps.SINCE.of(11.5, 10.0).strip() == "1.500s"
