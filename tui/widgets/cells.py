"""Text in exactly as many cells as there are for it."""

from __future__ import annotations

from functools import lru_cache

from rich.cells import cell_len, set_cell_size

from tui.model import format as fmt


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
