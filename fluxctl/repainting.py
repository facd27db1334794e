"""Lines on a terminal that are drawn again in place, below what was printed before."""

from __future__ import annotations

import os
import sys
import unicodedata
from typing import TYPE_CHECKING

from fluxctl.color import painted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fluxctl.color import Role


def cut(text: str, width: int) -> str:
    """Return as much of a text as fits in ``width`` cells: an ideograph takes two, a mark none."""
    if len(text) <= width and text.isascii():
        return text
    used = 0
    for index, character in enumerate(text):
        if unicodedata.combining(character):
            continue
        used += 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if used > width:
            return text[:index]
    return text


class Repainter:
    """Draws lines over those that it drew last; what is drawn last stays on the terminal."""

    def __init__(self, color: bool) -> None:
        self._color = color
        self._drawn = 0

    @property
    def height(self) -> int:
        """Lines that can be drawn."""
        return max(2, self._size().lines - 1)

    @staticmethod
    def _size() -> os.terminal_size:
        try:
            size = os.get_terminal_size(sys.stdout.fileno())
        except OSError:
            size = os.terminal_size((80, 24))
        return size if size.columns > 0 and size.lines > 0 else os.terminal_size((80, 24))

    def draw(self, lines: Sequence[tuple[str, Role]]) -> None:
        """Draw lines, each in the color of its role; those that do not fit are left out."""
        width = self._size().columns
        shown = lines[: self.height]
        up = f"\033[{self._drawn}A" if self._drawn else ""
        texts = [(cut(text, width), role) for text, role in shown]
        body = "".join(
            f"{painted(text, role) if self._color else text}\033[K\n" for text, role in texts
        )
        # One write, so that no half of it is ever seen.
        sys.stdout.write(f"\r{up}{body}\033[J")
        sys.stdout.flush()
        self._drawn = len(shown)
