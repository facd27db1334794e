"""Colours and signs of the dashboard: one colour for each job status wherever it appears, and ASCII
for terminals without Unicode.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import cache
from typing import Final

from rich.style import Style
from textual.theme import Theme

from tui.model.states import Status

BACKGROUND: Final = "#0d1017"
SURFACE: Final = "#131822"
PANEL: Final = "#1b2230"
CURSOR: Final = "#26314a"
FLASH: Final = "#182338"
LINE: Final = "#2d3648"
DIM: Final = "#727d92"
SOFT: Final = "#a3adbf"
TEXT: Final = "#cdd4e0"
BRIGHT: Final = "#f4f6fa"
ACCENT: Final = "#8b9cff"
AMBER: Final = "#e6b450"
RED: Final = "#f26d78"
GREEN: Final = "#7fd962"

STATUS_COLOUR: Final[tuple[str, ...]] = (
    "#c3a6ff",  # depend
    "#b8a58a",  # priority
    AMBER,  # sched
    "#59c2ff",  # run
    "#95e6cb",  # cleanup
    GREEN,  # completed
    RED,  # failed
    "#8c95a8",  # canceled
    "#ff8f40",  # timeout
)

SEVERITY_COLOUR: Final[tuple[str, ...]] = (RED, RED, RED, RED, "#ff8f40", AMBER, TEXT, DIM)

LINE_COLOUR: Final[dict[str, str]] = {
    "stdout": TEXT,
    "stderr": "#f29e74",
    "event": "#59c2ff",
    "exec": "#95e6cb",
    "exception": RED,
    "notice": AMBER,
    "head": BRIGHT,
}

JOB_COLOURS: Final[tuple[str, ...]] = (
    "#59c2ff",
    "#7fd962",
    "#c3a6ff",
    "#d7d7af",
    "#95e6cb",
    "#ff9ecf",
    "#8b9cff",
)
"""Colours that tell jobs apart that are side by side on a node."""

FOR_256_COLOURS: Final[dict[str, str]] = {
    BACKGROUND: "#121212",
    SURFACE: "#1c1c1c",
    PANEL: "#262626",
    CURSOR: "#00005f",
    FLASH: "#303030",
    LINE: "#3a3a3a",
}
"""Of the 256 colours of older terminals those that stand for ours: the nearest ones would be black
for three different grounds, and teal for the cursor.
"""

_instead: dict[str, str] = {}


def suit(colour_system: str | None) -> None:
    """Use the colours that a terminal has: ``colour_system`` is what Rich calls it. To be called
    before anything is drawn.
    """
    _instead.clear()
    if colour_system == "256":
        _instead.update(FOR_256_COLOURS)
    style.cache_clear()


def shade(colour: str) -> str:
    """Return what stands for a colour on this terminal."""
    return _instead.get(colour, colour)


def roles() -> dict[str, str]:
    """Return the colours that the style sheet has names for, beside those of every theme."""
    named = {"line": LINE, "dim": DIM, "soft": SOFT, "bright": BRIGHT, "cursor": CURSOR}
    return {name: shade(colour) for name, colour in named.items()}


def theme() -> Theme:
    """Return our theme, in the colours of this terminal."""
    ground, surface = shade(BACKGROUND), shade(SURFACE)
    return Theme(
        name="flux",
        primary=ACCENT,
        secondary="#59c2ff",
        accent=ACCENT,
        foreground=TEXT,
        background=ground,
        surface=surface,
        panel=shade(PANEL),
        success=GREEN,
        warning=AMBER,
        error=RED,
        dark=True,
        variables={
            **roles(),
            "footer-background": surface,
            "footer-key-foreground": ACCENT,
            "footer-description-foreground": SOFT,
            "footer-key-background": surface,
            "footer-description-background": surface,
            "footer-item-background": surface,
            "scrollbar": shade(LINE),
            "scrollbar-hover": DIM,
            "scrollbar-active": ACCENT,
            "scrollbar-background": ground,
            "scrollbar-background-hover": ground,
            "scrollbar-background-active": ground,
            "scrollbar-corner-color": ground,
            "border": ACCENT,
            "border-blurred": shade(LINE),
            "input-selection-background": shade(CURSOR),
        },
    )


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The signs drawn: bars, dots, arrows."""

    spark: str
    dot: str
    mark: str
    cursor: str
    up: str
    down: str
    more: str
    progress: str
    half: str
    rest: str
    separator: str
    logo: str
    warning: str
    crumb: str
    busy: str
    free: str
    drained: str
    draining: str
    lost: str
    excluded: str
    opened: str
    closed: str
    bar: str
    edge: str
    splitter: str
    guide: str
    half_marked: str
    instance: str
    braille: bool
    """Whether charts are drawn in dots."""
    layers: str
    """Where they are not: the signs of what is stacked, from below."""
    gap: str
    ruler: str
    cores: str
    """A core: in use, free, drained, down."""
    playing: str
    paused: str
    knob: str


UNICODE: Final = Glyphs(
    spark=" ▁▂▃▄▅▆▇█",
    dot="●",
    mark="◆",
    cursor="▌",
    up="▲",
    down="▼",
    more="…",
    progress="━",
    half="╸",
    rest="─",
    separator="·",
    logo="▞▞",
    warning="▲",
    crumb="›",
    busy="■",
    free="·",
    drained="▒",
    draining="▓",
    lost="×",
    excluded="░",
    opened="▾",
    closed="▸",
    bar="▇",
    edge="▇",
    splitter="│",
    guide="┊",
    half_marked="◇",
    instance="▣",
    braille=True,
    layers="█▓▒",
    gap="·",
    ruler="│",
    cores="█░▒▚",
    playing="▶",
    paused="‖",
    knob="●",
)
ASCII: Final = Glyphs(
    spark=" .:-=+*%#",
    dot="*",
    mark="+",
    cursor=">",
    up="^",
    down="v",
    more="~",
    progress="=",
    half="-",
    rest="-",
    separator="-",
    logo="//",
    warning="!",
    crumb=">",
    busy="#",
    free=".",
    drained="%",
    draining="=",
    lost="x",
    excluded=":",
    opened="v",
    closed=">",
    bar="#",
    edge="|",
    splitter="|",
    guide="|",
    half_marked="o",
    instance="@",
    braille=False,
    layers="#=:",
    gap="_",
    ruler="|",
    cores="#.xX",
    playing=">",
    paused="=",
    knob="O",
)


def terminal_glyphs() -> Glyphs:
    """Return the signs the terminal can show, by the encoding of standard output and the locale.

    Python writes UTF-8 in the C locale too, but the terminal of one who asked for that locale need
    not know it.
    """
    environ = os.environ
    encoding = (getattr(sys.stdout, "encoding", "") or "").lower().replace("-", "")
    locale = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or ""
    plain = (
        environ.get("TERM") in ("dumb", "vt100")
        or bool(environ.get("FLUX_TOP_ASCII"))
        or (bool(locale) and "utf8" not in locale.lower().replace("-", ""))
    )
    return UNICODE if encoding == "utf8" and not plain else ASCII


@cache
def style(
    colour: str, background: str = BACKGROUND, bold: bool = False, italic: bool = False
) -> Style:
    """Return the style of ``colour`` on ``background``."""
    return Style(color=colour, bgcolor=shade(background), bold=bold or None, italic=italic or None)


def status_colour(status: int) -> str:
    """Return the colour of one ``Status``."""
    return STATUS_COLOUR[Status(status)]


def job_colour(jobid: int) -> str:
    """Return the colour of a job among others on a node. Ids grow with time, in steps: they are
    mixed, so that neighbours differ.
    """
    return JOB_COLOURS[(jobid * 2654435761 >> 20) % len(JOB_COLOURS)]
