"""Text in exactly as many cells as there are for it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size

from tui.model import format as fmt

if TYPE_CHECKING:
    from collections.abc import Sequence


Piece = tuple[str, str]
"""Text and its colour."""


@lru_cache(maxsize=8192)
def cell(text: str, width: int, right: bool, more: str) -> str:
    """Return ``text`` in exactly ``width`` cells, cut with ``more`` if it is too long; fit for a
    terminal, whatever it holds.
    """
    text = fmt.printable(text)
    length = len(text) if text.isascii() else cell_len(text)
    if length > width:
        return set_cell_size(text, width - 1) + more
    padding = " " * (width - length)
    return padding + text if right else text + padding


def shortened(pieces: Sequence[Piece], width: int, more: str) -> list[Piece]:
    """Return pieces of text in at most ``width`` cells, cut with ``more`` if they are too long."""
    if sum(cell_len(text) for text, _ in pieces) <= width:
        return list(pieces)
    found: list[Piece] = []
    room = max(0, width - 1)
    for text, colour in pieces:
        if cell_len(text) >= room:
            found.append((set_cell_size(text, room).rstrip() + more, colour))
            break
        found.append((text, colour))
        room -= cell_len(text)
    return found
