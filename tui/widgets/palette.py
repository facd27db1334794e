"""Roles and signs of the dashboard: one colour for each job status wherever it appears, and ASCII
for terminals without Unicode.

The colours here are signs of roles (`tui.model.themes`): what is drawn with them appears in the
colours of the theme, which `tui.widgets.recolour` puts in their place last of all.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import Final, NamedTuple

from rich.style import Style

from tui.model.states import Status
from tui.model.themes import DARK_COLOURS

BACKGROUND: Final = DARK_COLOURS["background"]
SURFACE: Final = DARK_COLOURS["surface"]
PANEL: Final = DARK_COLOURS["panel"]
CURSOR: Final = DARK_COLOURS["cursor"]
FLASH: Final = DARK_COLOURS["flash"]
LINE: Final = DARK_COLOURS["line"]
DIM: Final = DARK_COLOURS["dim"]
SOFT: Final = DARK_COLOURS["soft"]
TEXT: Final = DARK_COLOURS["text"]
BRIGHT: Final = DARK_COLOURS["bright"]
ACCENT: Final = DARK_COLOURS["accent"]
AMBER: Final = DARK_COLOURS["warning"]
RED: Final = DARK_COLOURS["error"]
GREEN: Final = DARK_COLOURS["success"]

STATUS_COLOUR: Final[tuple[str, ...]] = (
    DARK_COLOURS["depend"],
    DARK_COLOURS["priority"],
    AMBER,  # sched
    DARK_COLOURS["run"],
    DARK_COLOURS["cleanup"],
    GREEN,  # completed
    RED,  # failed
    DARK_COLOURS["canceled"],
    DARK_COLOURS["timeout"],
)

SEVERITY_COLOUR: Final[tuple[str, ...]] = (
    *(RED, RED, RED, RED),
    *(DARK_COLOURS["timeout"], AMBER, TEXT, DIM),
)

LINE_COLOUR: Final[dict[str, str]] = {
    "stdout": TEXT,
    "stderr": DARK_COLOURS["stderr"],
    "event": DARK_COLOURS["run"],
    "exec": DARK_COLOURS["cleanup"],
    "exception": RED,
    "notice": AMBER,
    "head": BRIGHT,
}

JOB_COLOURS: Final[tuple[str, ...]] = (
    DARK_COLOURS["run"],
    GREEN,
    DARK_COLOURS["depend"],
    DARK_COLOURS["sand"],
    DARK_COLOURS["cleanup"],
    DARK_COLOURS["pink"],
    ACCENT,
)
"""Colours that tell jobs apart that are side by side on a node."""


class Glyphs(NamedTuple):
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
    watched: str
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
    watched="◎",
    braille=True,
    layers="█▓▒",
    gap="·",
    ruler="│",
    cores="█░▒▚",
    playing="▸",
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
    watched="&",
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
    return Style(color=colour, bgcolor=background, bold=bold or None, italic=italic or None)


def status_colour(status: int) -> str:
    """Return the colour of one ``Status``."""
    return STATUS_COLOUR[Status(status)]


def job_colour(jobid: int) -> str:
    """Return the colour of a job among others on a node. Ids grow with time, in steps: they are
    mixed, so that neighbours differ.
    """
    return JOB_COLOURS[(jobid * 2654435761 >> 20) % len(JOB_COLOURS)]
