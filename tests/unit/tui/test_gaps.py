"""Pictures whose words stand where they stand on the screen, whatever shows them."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import pytest
from rich.console import Console
from rich.text import Text

from tui.pictures.gaps import without_gaps

if TYPE_CHECKING:
    from collections.abc import Iterator

CELL = 12.2
"""Width of a character in Textual's and Rich's pictures."""


def picture(text: Text) -> str:
    console = Console(record=True, width=60, file=io.StringIO())
    console.print(text, end="")
    return console.export_svg(title="", unique_id="t")


def texts(svg: str) -> Iterator[tuple[float, float, str]]:
    """Pairs of column and text, with the number of cells that the text has."""
    pattern = r'<text class="t-r\d+" x="([\d.]+)"[^>]*textLength="([\d.]+)"[^>]*>([^<]*)</text>'
    for x, length, text in re.findall(pattern, svg):
        yield float(x) / CELL, float(length) / CELL, text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (Text("one two"), [(0, 7, "one two")]),
        (Text("  one   two  "), [(2, 3, "one"), (8, 3, "two")]),
        (Text("日本  two"), [(0, 4, "日本"), (6, 3, "two")]),
        (Text("a<b  &c"), [(0, 3, "a&lt;b"), (5, 2, "&amp;c")]),
        (Text.assemble(("ab", "red"), ("  cd", "blue")), [(0, 2, "ab"), (4, 2, "cd")]),
    ],
)
def test_words_have_their_column(text: Text, expected: list[tuple[int, int, str]]) -> None:
    found = [
        (round(column, 1), round(cells, 1), words)
        for column, cells, words in texts(without_gaps(picture(text)))
    ]
    assert found == expected


def test_an_underlined_text_stays_whole() -> None:
    text = Text(" one   two ", style="underline")
    assert list(texts(without_gaps(picture(text)))) == [(1, 9, "one   two")]


def test_a_picture_is_cut_once() -> None:
    once = without_gaps(picture(Text("  one   two  ")))
    assert without_gaps(once) == once
