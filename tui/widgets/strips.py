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
    if old is new or old == new:
        return None
    begin, one, other = _without_same_ends(old, new)
    before, after = _cells(one), _cells(other)
    most, least = max(len(before), len(after)), min(len(before), len(after))
    first = next((i for i in range(least) if before[i] != after[i]), least)
    if len(before) != len(after):
        return begin + first, begin + most
    if first == most:
        return None
    last = next(i for i in range(most - 1, first - 1, -1) if before[i] != after[i])
    # Half of a wide character cannot be drawn.
    while first and not (before[first][0] and after[first][0]):
        first -= 1
    while last + 1 < most and not (before[last + 1][0] and after[last + 1][0]):
        last += 1
    return begin + first, begin + last + 1


def _without_same_ends(old: Strip, new: Strip) -> tuple[int, list[Segment], list[Segment]]:
    """Return the segments of two drawings without those that are the same at the left of both, and
    at the right if they are equally long; before them, how many cells those at the left are.
    """
    one, other = list(old), list(new)
    same = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    if same is None:
        same = min(len(one), len(other))
    begin = sum(segment.cell_length for segment in one[:same])
    one, other = one[same:], other[same:]
    if old.cell_length == new.cell_length:
        while one and other and one[-1] == other[-1]:
            one.pop()
            other.pop()
    return begin, one, other


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
