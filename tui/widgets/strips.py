"""What differs between two drawings of a line: no more than that is sent to the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.segment import Segment
    from rich.style import Style
    from textual.strip import Strip

Cells = list[tuple[str, "Style | None"]]


def changed_span(old: Strip, new: Strip) -> tuple[int, int] | None:
    """Return the first differing cell of two drawings and the one after the last, None if they look
    the same.
    """
    former, latter = list(old), list(new)
    if former == latter:
        return None
    # Most pieces are as they were: only those between the first and the last that are not are
    # looked at cell by cell.
    start, most_alike = 0, min(len(former), len(latter))
    while start < most_alike and former[start] == latter[start]:
        start += 1
    end = 0
    while end < most_alike - start and former[-1 - end] == latter[-1 - end]:
        end += 1
    before = _cells(former[start : len(former) - end])
    after = _cells(latter[start : len(latter) - end])
    if end and len(before) != len(after):  # what follows is alike, but elsewhere
        before += _cells(former[-end:])
        after += _cells(latter[-end:])
    span = _span(before, after)
    offset = sum(segment.cell_length for segment in former[:start])
    return span and (offset + span[0], offset + span[1])


def _span(before: Cells, after: Cells) -> tuple[int, int] | None:
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


def _cells(segments: Iterable[Segment]) -> Cells:
    """Return one element for each cell; a wide character is followed by an empty one."""
    cells: Cells = []
    for text, style, _ in segments:
        if text.isascii() or all(cell_len(character) == 1 for character in set(text)):
            cells.extend((character, style) for character in text)
            continue
        for character in text:
            cells.append((character, style))
            cells.extend([("", style)] * (cell_len(character) - 1))
    return cells
