"""What a terminal printed, as looks and stretches."""

from __future__ import annotations

from tui.pictures.film import Appearance, Stretch
from tui.pictures.stage import INK, frame_lines

PLAIN = Appearance(INK)


def test_colours_last_until_they_are_taken_back() -> None:
    captured = "\x1b[38;2;1;2;3mab\ncd\x1b[0m e\n\n0 0 0\n"
    blue = Appearance("#010203")
    assert frame_lines(captured) == (
        (Stretch(0, 2, "ab", blue),),
        (Stretch(0, 2, "cd", blue), Stretch(2, 2, " e", PLAIN)),
        (),
    )


def test_grounds_and_attributes_are_kept() -> None:
    captured = "\x1b[1;3;4;48;2;9;9;9m  \x1b[0;7mx\x1b[0m\n0 0 0\n"
    ((blank, turned),) = frame_lines(captured)
    assert blank.look == Appearance(INK, "#090909", bold=True, italic=True, underline=True)
    assert (turned.look.ink, turned.look.ground) == ("#0e131c", INK)


def test_wide_characters_take_two_cells() -> None:
    ((wide, after),) = frame_lines("\u4f60\x1b[1mx\x1b[0m\n0 0 0\n")
    assert (wide.cells, after.column) == (2, 2)


def test_the_cursor_is_a_block_where_it_is_seen() -> None:
    block = Stretch(2, 1, " ", Appearance(INK, INK))
    assert frame_lines("$ \n1 2 0\n") == ((Stretch(0, 2, "$ ", PLAIN), block),)
    assert frame_lines("$ \n0 2 0\n") == ((Stretch(0, 2, "$ ", PLAIN),),)
    assert frame_lines("$ \n1 2 9\n") == ((Stretch(0, 2, "$ ", PLAIN),),)
