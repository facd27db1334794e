"""Gaps between words in pictures of the screen.

Spaces at the edges of texts and more than one in a row are drawn by browsers: other programs that
show SVG put the words next to each other. With every stretch of words at its own column there are
no gaps to draw.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len

if TYPE_CHECKING:
    from collections.abc import Iterator

_TEXT: Final = re.compile(
    r'<text class="(?P<look>[^"]*)" x="(?P<x>[\d.]+)" y="(?P<y>[\d.]+)" '
    r'textLength="(?P<length>[\d.]+)"(?P<rest>[^>]*)>(?P<text>[^<]*)</text>'
)
_UNDERLINED: Final = re.compile(r"\.([\w-]+) \{[^}]*text-decoration[^}]*\}")
_WORDS: Final = re.compile(r"[^ ]+(?: [^ ]+)*")
_WHOLE: Final = re.compile(r"[^ ](?:.*[^ ])?")


def stretches(text: str, underlined: bool) -> Iterator[tuple[int, int, str]]:
    """Yield the words of a text, those with one space between them together: how many cells are
    before them, how many they take, and the words.

    An underlined text is one stretch: the line goes through its gaps.
    """
    for words in (_WHOLE if underlined else _WORDS).finditer(text):
        yield cell_len(text[: words.start()]), cell_len(words[0]), words[0]


def without_gaps(picture: str) -> str:
    """Return an SVG picture of Textual's with its texts cut at gaps of more than one space.

    Each piece has its own ``x`` and ``textLength``.
    """
    underlined = frozenset(_UNDERLINED.findall(picture))

    def cut(found: re.Match[str]) -> str:
        text = html.unescape(found["text"]).replace("\xa0", " ")
        # Its length is that of as many narrow characters, whatever they are.
        width = float(found["length"]) / len(text) if text else 0.0
        return "".join(
            f'<text class="{found["look"]}" '
            f'x="{_shown(float(found["x"]) + column * width)}" y="{found["y"]}" '
            f'textLength="{_shown(cells * width)}"{found["rest"]}>'
            f"{html.escape(words, quote=False)}</text>"
            for column, cells, words in stretches(text, found["look"] in underlined)
        )

    return _TEXT.sub(cut, picture)


def _shown(number: float) -> str:
    return f"{number:.1f}".rstrip("0").rstrip(".")
