"""What differs between two drawings of a line: no more than that is sent to the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len

if TYPE_CHECKING:
    from rich.style import Style
    from textual.strip import Strip

Cells = list[tuple[str, "Style | None"]]


def changed_span(old: Strip, new: Strip) -> tuple[int, int] | None:
    """Return the first differing cell of two drawings and the one after the last, None if they look
    the same.
    """
    if old == new:
        return None
    before, after = _cells(old), _cells(new)
    most, least = max(len(before), len(after)), min(len(before), len(after))
    first = next((i for i in range(least) if before[i] != after[i]), least)
    if len(before) != len(after):
        return first, most
    if first == most:
        return None
    last = next(i for i in range(most - 1, first - 1, -1) if before[i] != after[i])
    # Half of a wide character cannot be drawn.
    while first and not (before[first][0] and after[first][0]):
        first -= 1
    while last + 1 < most and not (before[last + 1][0] and after[last + 1][0]):
        last += 1
    return first, last + 1


def _cells(strip: Strip) -> Cells:
    """Return one element for each cell; a wide character is followed by an empty one."""
    cells: Cells = []
    for text, style, _ in strip:
        if text.isascii():
            cells.extend((character, style) for character in text)
            continue
        for character in text:
            cells.append((character, style))
            cells.extend([("", style)] * (cell_len(character) - 1))
    return cells
