"""Bars and sparklines as rich text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from tui.model.states import Status
from tui.widgets.palette import LINE, STATUS_COLOUR, Glyphs

if TYPE_CHECKING:
    from collections.abc import Sequence


def gauge(fraction: float, width: int, colour: str, glyphs: Glyphs) -> Text:
    """Return a bar of ``width`` cells filled to ``fraction``, to half a cell."""
    halves = round(max(0.0, min(1.0, fraction)) * width * 2)
    full, half = divmod(halves, 2)
    text = Text(glyphs.progress * full + glyphs.half * half, colour)
    text.append(glyphs.rest * (width - len(text)), LINE)
    return text


def portions(amounts: Sequence[int], width: int) -> list[int]:
    """Return how many of ``width`` cells each amount gets; one that is not 0 gets a cell at
    least.
    """
    total = sum(amounts)
    cells = [max(1, int(amount * width / total)) if amount else 0 for amount in amounts]
    while sum(cells) != width:
        over = sum(cells) > width
        wide = max(
            range(len(cells)),
            key=lambda i: cells[i] if over else amounts[i] * width / total - cells[i],
        )
        cells[wide] += -1 if over else 1
    return cells


def shares(parts: Sequence[tuple[int, str]], width: int, sign: str, rest: str) -> Text:
    """Return a line of ``width`` cells divided among ``parts`` (amount, colour); a part that exists
    gets a cell at least.
    """
    amounts = [amount for amount, _ in parts]
    if sum(amounts) <= 0 or width <= 0:
        return Text(rest * max(0, width), LINE)
    text = Text()
    for count, (_, colour) in zip(portions(amounts, width), parts, strict=True):
        text.append(sign * count, colour)
    return text


def sparkline(
    values: Sequence[float], colour: str, glyphs: Glyphs, rows: int = 1, top: float = 0.0
) -> list[Text]:
    """Return ``rows`` lines that draw ``values`` one cell each, scaled to ``top`` or to the
    largest.
    """
    peak = max(top, max(values, default=0.0)) or 1.0
    levels = [min(8 * rows, round(value / peak * 8 * rows)) if value else 0 for value in values]
    lines = []
    for row in reversed(range(rows)):
        cells = [
            glyphs.spark[max(0, min(8, max(level, 1 if values[i] else 0) - row * 8))]
            for i, level in enumerate(levels)
        ]
        lines.append(Text("".join(cells), colour))
    return lines


def load_colour(fraction: float) -> str:
    """Return the colour of a load: calm below half, full at the end."""
    return STATUS_COLOUR[Status.CLEANUP] if fraction < 0.5 else STATUS_COLOUR[Status.RUN]
