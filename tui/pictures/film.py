"""Frames of a terminal as an SVG that plays by itself, in any ``<img>``: no script, no font of its
own, nothing from elsewhere.

All frames lie side by side on one strip, which one CSS animation moves a step at a time. A line of
text that stands in several frames is there once, and referred to. Where nothing may move, and in
programs that know no CSS animations, the first frame of the strip is seen: the *poster*.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape, quoteattr

from tui.pictures.gaps import stretches

if TYPE_CHECKING:
    from collections.abc import Sequence

CELL: Final = (8.4, 17.0)
"""Width and height of a character, in units of the picture."""
FONT: Final = 14
EDGE: Final = 14.0
BAR: Final = 30.0
_GAP: Final = 40.0
"""Between two frames of the strip, or a rounded edge of one would be seen beside the other."""
_FONTS: Final = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace"


@dataclass(frozen=True, slots=True)
class Appearance:
    """How characters are drawn: colours as ``#rrggbb``, no ``ground`` where that of the terminal is
    seen.
    """

    ink: str
    ground: str = ""
    bold: bool = False
    italic: bool = False
    underline: bool = False


@dataclass(frozen=True, slots=True)
class Stretch:
    """Characters of one line that look the same: the column of the first, how many cells."""

    column: int
    cells: int
    text: str
    look: Appearance


TextLine = tuple[Stretch, ...]


@dataclass(frozen=True, slots=True)
class Frame:
    """What a terminal shows for some ``seconds``, its lines from the top."""

    lines: tuple[TextLine, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Scene:
    """Colours around the frames, and what the picture is called for those who do not see it."""

    title: str
    ground: str = "#0e131c"
    edge: str = "#3a4356"
    soft: str = "#8b95a8"


def gathered(frames: Sequence[Frame]) -> list[Frame]:
    """Return the frames with those that look the same in a row made one."""
    found: list[Frame] = []
    for frame in frames:
        if found and found[-1].lines == frame.lines:
            found[-1] = Frame(frame.lines, found[-1].seconds + frame.seconds)
        else:
            found.append(frame)
    return found


def draw(frames: Sequence[Frame], size: tuple[int, int], scene: Scene, poster: int = 0) -> str:
    """Return the SVG of a film on a terminal of ``size`` columns and rows; ``poster`` is the number
    of the frame that is seen where nothing moves. Raises ValueError without frames.
    """
    if not frames:
        raise ValueError("a film has frames")
    width, height = size[0] * CELL[0], size[1] * CELL[1]
    film = _Film(width)
    order = [poster, *(number for number in range(len(frames)) if number != poster)]
    strip = "".join(film.frame(frames[number], place) for place, number in enumerate(order))
    places = {number: place for place, number in enumerate(order)}
    moves = _moves([frame.seconds for frame in frames], [places[n] for n in range(len(frames))])
    total = sum(frame.seconds for frame in frames)
    outer = (_shown(width + 2 * EDGE), _shown(height + BAR + EDGE))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {outer[0]} {outer[1]}" '
        f'role="img" aria-label={quoteattr(scene.title)}>'
        f"<style>{film.styles()}"
        f".film{{animation:film {_shown(total)}s step-end infinite}}"
        f"@keyframes film{{{_keyframes(moves, width)}}}"
        "@media (prefers-reduced-motion:reduce){.film{animation:none}}</style>"
        f"{_window(outer, scene)}<defs>{film.definitions()}</defs>"
        f'<svg x="{_shown(EDGE)}" y="{_shown(BAR)}" width="{_shown(width)}" '
        f'height="{_shown(height)}" viewBox="0 0 {_shown(width)} {_shown(height)}">'
        f'<g class="film">{strip}</g></svg></svg>\n'
    )


def _window(outer: tuple[str, str], scene: Scene) -> str:
    dots = "".join(
        f'<circle cx="{_shown(EDGE + 6 + 18 * number)}" cy="{_shown(BAR / 2)}" r="5" '
        f'fill="{scene.edge}"/>'
        for number in range(3)
    )
    middle = _shown(float(outer[0]) / 2)
    return (
        f'<rect width="{outer[0]}" height="{outer[1]}" rx="8" fill="{scene.ground}" '
        f'stroke="{scene.edge}"/>{dots}'
        f'<text x="{middle}" y="{_shown(BAR / 2 + 4)}" fill="{scene.soft}" font-size="12" '
        f'text-anchor="middle">{escape(scene.title)}</text>'
    )


def _moves(seconds: Sequence[float], places: Sequence[int]) -> list[tuple[float, int]]:
    """Return when, as a part of the whole, which place of the strip is moved into sight."""
    total, passed, found = sum(seconds), 0.0, []
    for length, place in zip(seconds, places, strict=True):
        found.append((passed / total, place))
        passed += length
    return found


def _keyframes(moves: Sequence[tuple[float, int]], width: float) -> str:
    steps = [
        f"{_shown(100 * when, 3)}%{{transform:translateX({_shown(-place * (width + _GAP))}px)}}"
        for when, place in moves
    ]
    return "".join(
        [*steps, f"100%{{transform:translateX({_shown(-moves[-1][1] * (width + _GAP))}px)}}"]
    )


def _shown(number: float, digits: int = 1) -> str:
    text = f"{number:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


class _Film:
    """Collects lines and looks, each once."""

    def __init__(self, width: float) -> None:
        self._width = width
        self._lines: dict[TextLine, int] = {}
        self._looks: dict[Appearance, int] = {}

    def frame(self, frame: Frame, place: int) -> str:
        uses = "".join(
            f'<use href="#l{self._number(line)}" y="{_shown(row * CELL[1])}"/>'
            for row, line in enumerate(frame.lines)
            if line
        )
        return f'<g transform="translate({_shown(place * (self._width + _GAP))})">{uses}</g>'

    def _number(self, line: TextLine) -> int:
        return self._lines.setdefault(line, len(self._lines))

    def _class(self, look: Appearance) -> str:
        ink = Appearance(look.ink, "", look.bold, look.italic, look.underline)
        return f"k{self._looks.setdefault(ink, len(self._looks))}"

    def definitions(self) -> str:
        return "".join(
            f'<g id="l{number}">{"".join(map(self._ground, line))}{self._text(line)}</g>'
            for line, number in self._lines.items()
        )

    def _ground(self, part: Stretch) -> str:
        if not part.look.ground:
            return ""
        # A hair more than its cells, or light lines show between neighbours.
        left, width = _shown(part.column * CELL[0]), _shown(part.cells * CELL[0] + 0.3)
        height = _shown(CELL[1] + 0.3)
        return f'<rect x="{left}" width="{width}" height="{height}" fill="{part.look.ground}"/>'

    def _text(self, line: TextLine) -> str:
        parts = "".join(map(self._stretch, line))
        return f'<text y="{_shown(CELL[1] - 4)}">{parts}</text>' if parts else ""

    def _stretch(self, part: Stretch) -> str:
        return "".join(
            f'<tspan class="{self._class(part.look)}" '
            f'x="{_shown((part.column + column) * CELL[0])}" '
            f'textLength="{_shown(cells * CELL[0])}">{escape(words)}</tspan>'
            for column, cells, words in stretches(part.text, part.look.underline)
        )

    def styles(self) -> str:
        self.definitions()  # looks are found while lines are drawn
        rules = [f"text{{font:{FONT}px {_FONTS};white-space:pre}}"]
        for look, number in self._looks.items():
            more = ";font-weight:bold" if look.bold else ""
            more += ";font-style:italic" if look.italic else ""
            more += ";text-decoration:underline" if look.underline else ""
            rules.append(f".k{number}{{fill:{look.ink}{more}}}")
        return "".join(rules)
