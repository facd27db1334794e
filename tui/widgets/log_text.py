"""The text of a line of a log in its colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tui.model.highlight import spans
from tui.widgets import palette
from tui.widgets.palette import style

if TYPE_CHECKING:
    import re

    from tui.model.logs import Line

_EVENTS: Final = frozenset({"event", "exec"})
_ROLES: Final = {"key": palette.ACCENT, "number": palette.AMBER, "word": palette.GREEN}


def text_segments(
    line: Line, piece: tuple[int, int], base: Style, ground: str, pattern: re.Pattern[str] | None
) -> list[Segment]:
    """Return a piece of a line, from one character to another, the parts with a role and those that
    ``pattern`` finds in their colours, the rest in that of ``base``.
    """
    text, (start, end) = line.text, piece
    cuts: list[tuple[int, int, Style]] = []
    if pattern is not None:
        found = Style(color=palette.BACKGROUND, bgcolor=palette.AMBER, bold=True)
        cuts = [(m.start(), m.end(), found) for m in pattern.finditer(text) if m[0]]
    if not cuts:
        event = line.kind in _EVENTS
        colours = {**_ROLES, "key": palette.DIM} if event else _ROLES
        cuts = [
            (a, b, base if role == "name" else style(colours[role], ground))
            for a, b, role in spans(line)
        ]
        if cuts and event:
            base = style(palette.TEXT, ground)
    segments, last = [], start
    for first, after, look in cuts:
        first, after = max(first, last), min(after, end)
        if first >= after:
            continue
        segments.append(Segment(text[last:first], base))
        segments.append(Segment(text[first:after], look))
        last = after
    segments.append(Segment(text[last:end], base))
    return segments


def window(strip: Strip, left: int, width: int, ground: str, more: str) -> Strip:
    """Return ``width`` cells of a row from the ``left``-th on; ``more`` is the last of them where
    the row goes on.
    """
    blank = style(palette.TEXT, ground)
    if width < 1 or strip.cell_length <= left + width:
        return strip.crop(left, left + width).adjust_cell_length(width, blank)
    cut = strip.crop(left, left + width - 1).adjust_cell_length(width - 1, blank)
    return Strip.join([cut, Strip([Segment(more, style(palette.DIM, ground))], 1)])
