"""Themes: what colour each role has. Everything that is drawn names a role; which colour that is on
the screen, the theme says.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

DARK_COLOURS: Final[dict[str, str]] = {
    "background": "#0d1017",
    "surface": "#131822",
    "panel": "#1b2230",
    "cursor": "#26314a",
    "flash": "#182338",
    "line": "#2d3648",
    "dim": "#7d889d",
    "soft": "#a3adbf",
    "text": "#cdd4e0",
    "bright": "#f4f6fa",
    "accent": "#8b9cff",
    "warning": "#e6b450",
    "error": "#f2727d",
    "success": "#7fd962",
    "depend": "#c3a6ff",
    "priority": "#b8a58a",
    "run": "#59c2ff",
    "cleanup": "#95e6cb",
    "canceled": "#939cae",
    "timeout": "#ff8f40",
    "stderr": "#f29e74",
    "sand": "#d7d7af",
    "pink": "#ff9ecf",
}
"""The roles, each with its colour in the dark theme. These colours are also the signs by which what
is drawn names a role, so no two roles have the same.
"""

ROLES: Final = tuple(DARK_COLOURS)
GROUNDS: Final = ("background", "surface", "panel", "cursor", "flash")
"""Roles that text stands on."""
DECORATION: Final = ("line",)
"""Roles of what is neither text nor ground: borders, rests of bars."""
FAINT: Final = ("dim",)
"""Roles of text that may be overlooked."""
WORDS: Final = tuple(role for role in ROLES if role not in (*GROUNDS, *DECORATION, *FAINT))
"""Roles of text that has to be read."""

REVERSE: Final = "reverse"
"""What a ground is called that is the terminal's own colours, turned round."""
DEFAULT: Final = "default"
"""The terminal's own colour, of text or of the ground."""
TERMINAL: Final = (
    DEFAULT,
    *("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"),
    *("bright_black", "bright_red", "bright_green", "bright_yellow"),
    *("bright_blue", "bright_magenta", "bright_cyan", "bright_white"),
)
"""Colours that the terminal itself has, by the names it gives them."""
_HEX: Final = re.compile(r"#[0-9a-f]{6}\Z")


class ColourTheme(NamedTuple):
    """A colour for each role, as ``#rrggbb``; ``for_256`` has those that stand for them on
    terminals of 256 colours, where the nearest one would not do.

    With ``ansi``, colours are names of `TERMINAL`, and the ground of the cursor may be `REVERSE`.
    """

    name: str
    colours: Mapping[str, str]
    for_256: Mapping[str, str] = MappingProxyType({})
    dark: bool = True
    ansi: bool = False

    def colour(self, role: str, colour_system: str | None = "truecolor") -> str:
        """Return the colour of a role on a terminal of that kind, as Rich calls the kinds."""
        if colour_system == "256" and role in self.for_256:
            return self.for_256[role]
        return self.colours[role]


DARK: Final = ColourTheme(
    "dark",
    DARK_COLOURS,
    {
        "background": "#121212",
        "surface": "#1c1c1c",
        "panel": "#262626",
        "cursor": "#00005f",
        "flash": "#303030",
        "line": "#444444",
        "dim": "#8c8c8c",
        "soft": "#bcbcbc",
        "text": "#d7d7d7",
        "bright": "#ffffff",
        "accent": "#87afff",
        "warning": "#d7af5f",
        "error": "#ff5f87",
        "success": "#87d75f",
        "depend": "#d7afff",
        "priority": "#afaf87",
        "run": "#5fd7ff",
        "cleanup": "#87d7d7",
        "canceled": "#a2a2a2",
        "timeout": "#ff875f",
        "stderr": "#ffaf87",
        "sand": "#d7d7af",
        "pink": "#ffafd7",
    },
)
LIGHT: Final = ColourTheme(
    "light",
    {
        "background": "#fcfcfa",
        "surface": "#f2f3f5",
        "panel": "#e6e9ee",
        "cursor": "#d5defa",
        "flash": "#ecf0fb",
        "line": "#c2c8d2",
        "dim": "#6a7280",
        "soft": "#474f5d",
        "text": "#262c38",
        "bright": "#07090d",
        "accent": "#3a49c4",
        "warning": "#7a4f00",
        "error": "#b3202e",
        "success": "#25690f",
        "depend": "#6c3fb4",
        "priority": "#66553a",
        "run": "#08588f",
        "cleanup": "#0b6552",
        "canceled": "#525a69",
        "timeout": "#964000",
        "stderr": "#8f3d17",
        "sand": "#635800",
        "pink": "#9b1f64",
    },
    {
        "background": "#ffffff",
        "surface": "#f5f5f5",
        "panel": "#ebebeb",
        "cursor": "#d7d7ff",
        "flash": "#e1e1e1",
        "line": "#c6c6c6",
        "dim": "#6c6c6c",
        "soft": "#4e4e4e",
        "text": "#262626",
        "bright": "#000000",
        "accent": "#5f00d7",
        "warning": "#5f5f00",
        "error": "#af0000",
        "success": "#005f00",
        "depend": "#87005f",
        "priority": "#005f87",
        "run": "#005faf",
        "cleanup": "#005f5f",
        "canceled": "#585858",
        "timeout": "#870000",
        "stderr": "#5f0000",
        "sand": "#00005f",
        "pink": "#870087",
    },
    dark=False,
)
HIGH_CONTRAST: Final = ColourTheme(
    "high-contrast",
    {
        "background": "#000000",
        "surface": "#0a0a0a",
        "panel": "#161616",
        "cursor": "#003a7d",
        "flash": "#262626",
        "line": "#8a8a8a",
        "dim": "#bababa",
        "soft": "#dedede",
        "text": "#f2f2f2",
        "bright": "#ffffff",
        "accent": "#9fd4ff",
        "warning": "#ffdd55",
        "error": "#ff9c9c",
        "success": "#7dff7d",
        "depend": "#dcbcff",
        "priority": "#e6d0a8",
        "run": "#4fe0ff",
        "cleanup": "#85ffd6",
        "canceled": "#c6c6c6",
        "timeout": "#ffb057",
        "stderr": "#ffc09a",
        "sand": "#dede9e",
        "pink": "#ffb3dd",
    },
    {
        "background": "#000000",
        "surface": "#080808",
        "panel": "#121212",
        "cursor": "#00005f",
        "flash": "#262626",
        "line": "#8a8a8a",
        "dim": "#bcbcbc",
        "soft": "#dadada",
        "text": "#eeeeee",
        "bright": "#ffffff",
        "accent": "#afd7ff",
        "warning": "#ffff5f",
        "error": "#ff8787",
        "success": "#87ff87",
        "depend": "#d7afff",
        "priority": "#d7d7af",
        "run": "#5fd7ff",
        "cleanup": "#87ffd7",
        "canceled": "#c6c6c6",
        "timeout": "#ffaf5f",
        "stderr": "#ffd7af",
        "sand": "#ffffaf",
        "pink": "#ffafd7",
    },
)
ANSI: Final = ColourTheme(
    "ansi",
    {
        "background": DEFAULT,
        "surface": DEFAULT,
        "panel": DEFAULT,
        "cursor": REVERSE,
        "flash": DEFAULT,
        "line": "bright_black",
        "dim": "bright_black",
        "soft": DEFAULT,
        "text": DEFAULT,
        "bright": DEFAULT,
        "accent": "blue",
        "warning": "yellow",
        "error": "red",
        "success": "green",
        "depend": "magenta",
        "priority": "bright_magenta",
        "run": "cyan",
        "cleanup": "bright_cyan",
        "canceled": "bright_black",
        "timeout": "bright_red",
        "stderr": "bright_red",
        "sand": "bright_yellow",
        "pink": "bright_magenta",
    },
    ansi=True,
)

BUILT_IN: Final[dict[str, ColourTheme]] = {
    theme.name: theme for theme in (DARK, LIGHT, HIGH_CONTRAST, ANSI)
}


def is_colour(text: str) -> bool:
    """Tell whether a theme may give a role this colour."""
    return bool(_HEX.match(text)) or text in TERMINAL


def derived(name: str, base: ColourTheme, colours: Mapping[str, str]) -> ColourTheme:
    """Return ``base`` with other colours for some roles; what stood for the former on terminals of
    256 colours goes with them.

    Raises ValueError if colours of the terminal would be mixed with those that are not: what is
    drawn is one or the other.
    """
    for role, colour in colours.items():
        if (colour in (*TERMINAL, REVERSE)) != base.ansi:
            kind = "names of the terminal's colours" if base.ansi else "written as #rrggbb"
            raise ValueError(f"{role}: colours of themes made from {base.name} are {kind}")
    kept = {role: colour for role, colour in base.for_256.items() if role not in colours}
    return ColourTheme(name, {**base.colours, **colours}, kept, base.dark, base.ansi)


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours as WCAG 2 has it: from 1 for the same to 21."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
