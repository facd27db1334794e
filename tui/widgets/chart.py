"""Area charts: braille dots where the terminal has them, two by four in a cell, else one sign for a
cell.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final

from rich.text import Text

from tui.widgets.palette import DIM, Glyphs

if TYPE_CHECKING:
    from collections.abc import Sequence

BRAILLE: Final = 0x2800
_LEFT: Final = (0x00, 0x40, 0x44, 0x46, 0x47)
_RIGHT: Final = (0x00, 0x80, 0xA0, 0xB0, 0xB8)
"""The dots of a cell's left and right column, filled from below."""

Stack = tuple[float, ...]
"""The heights of what is stacked at one point, from below."""

Cell = list[tuple[int, ...] | None]
"""For each column of dots of a cell, up to where what is stacked reaches; None in a gap."""


class Area:
    """Draws stacks of ``colours``, the lowest first, on ``width`` by ``height`` cells, as high as
    ``top``.

    A point that is None is a gap; the points of ``faint`` are drawn faintly; a cell in ``cursor``
    is marked. The points are spread over the width.
    """

    def __init__(self, colours: Sequence[str], width: int, height: int, glyphs: Glyphs) -> None:
        self.colours = tuple(colours)
        self.width, self.height, self.glyphs = max(1, width), max(1, height), glyphs

    @property
    def points(self) -> int:
        """How many points can be told apart."""
        return self.width * self._across

    @property
    def _across(self) -> int:
        return 2 if self.glyphs.braille else 1

    @property
    def _levels(self) -> int:
        """Heights that can be told apart in a cell."""
        return 4 if self.glyphs.braille else 2

    def place(self, column: int, number: int) -> int:
        """Return which of ``number`` points is drawn in a cell's column: its last one."""
        return ((column + 1) * self._across - 1) * number // self.points

    def column(self, place: int, number: int) -> int:
        """Return in which column one of ``number`` points is drawn."""
        return min(self.width - 1, -(-place * self.points // number) // self._across)

    def lines(
        self,
        stacks: Sequence[Stack | None],
        top: float,
        faint: Sequence[bool] = (),
        cursor: int | None = None,
    ) -> list[Text]:
        """Return the lines, the highest first."""
        number = len(stacks)
        columns: list[tuple[Cell, bool]] = []
        for cell in range(self.width):
            places = [
                min(number - 1, (cell * self._across + part) * number // self.points)
                for part in range(self._across)
            ]
            dots: Cell = [self._dots(stacks[p], top) for p in places] if number else [None]
            columns.append((dots, any(faint[place] for place in places) if faint else False))
        return [self._line(columns, row, cursor) for row in reversed(range(self.height))]

    def _dots(self, stack: Stack | None, top: float) -> tuple[int, ...] | None:
        """Return up to which height, in dots, each of a stack reaches; what is there is seen."""
        if stack is None:
            return None
        reach, total, full = [], 0.0, self.height * self._levels
        before = 0
        for value in stack:
            total += value
            dots = min(full, round(total / top * full)) if top > 0 else 0
            dots = max(dots, before + (value > 0 and before < full and before == 0))
            reach.append(dots)
            before = dots
        return tuple(reach)

    def _line(
        self,
        columns: Sequence[tuple[Cell, bool]],
        row: int,
        cursor: int | None,
    ) -> Text:
        cells = []
        for number, (dots, faint) in enumerate(columns):
            sign, style = self._cell(dots, row)
            if number == cursor:
                sign, style = (
                    (self.glyphs.ruler, DIM) if sign == " " else (sign, f"reverse {style}")
                )
            elif faint and style != DIM:
                style = f"dim {style}"
            cells.append((sign, style))
        text = Text()
        for style, run in groupby(cells, key=lambda cell: cell[1]):
            text.append("".join(sign for sign, _ in run), style)
        return text

    def _cell(self, dots: Cell, row: int) -> tuple[str, str]:
        """Return sign and style of one cell."""
        known = [reach for reach in dots if reach is not None]
        if not known:
            return (self.glyphs.gap, DIM) if row == 0 else (" ", DIM)
        base, levels = row * self._levels, self._levels
        heights = [
            0 if reach is None else max(0, min(levels, reach[-1] - base) if reach else 0)
            for reach in dots
        ]
        if not any(heights):
            return " ", DIM
        layer = self._layer(known, base)
        if self.glyphs.braille:
            mask = _LEFT[heights[0]] | _RIGHT[heights[1]]
            return chr(BRAILLE | mask), self.colours[layer]
        return self.glyphs.layers[layer] if heights[0] > 1 else ".", self.colours[layer]

    def _layer(self, known: list[tuple[int, ...]], base: int) -> int:
        """Return which of the stacked has most of a cell: a cell has one colour."""
        shares = [0] * len(self.colours)
        for reach in known:
            before = 0
            for place, dots in enumerate(reach):
                shares[place] += max(0, min(dots, base + self._levels) - max(before, base))
                before = dots
        return max(range(len(shares)), key=shares.__getitem__)


def nice_top(peak: float) -> float:
    """Return a round number not below ``peak``, for the top of an axis."""
    if peak <= 0:
        return 1.0
    unit = 1.0
    while unit * 10 <= peak:
        unit *= 10
    while unit > peak:
        unit /= 10
    return next(
        unit * step for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if unit * step >= peak * 0.9999
    )
