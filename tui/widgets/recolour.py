"""The colours of a theme on the screen: those of the style sheet by its variables, those of what we
draw ourselves by exchanging the signs of roles for them in every line that is drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.filter import LineFilter
from textual.theme import BUILTIN_THEMES, Theme

from tui.model.themes import DARK_COLOURS, DEFAULT, REVERSE, ROLES

if TYPE_CHECKING:
    import textual.color

    from tui.model.themes import ColourTheme

MOST_STYLES: Final = 8192
"""Styles whose colours are remembered."""
_SIGNS: Final = {colour: role for role, colour in DARK_COLOURS.items()}
_GROUND: Final = Color.parse(DARK_COLOURS["background"]).triplet
_VARIABLES: Final = ("line", "dim", "soft", "bright", "cursor")
"""Roles that the style sheet has names for, beside those of every theme."""
_TURNED: Final = Style(
    color=Color.parse(DEFAULT), bgcolor=Color.parse(DEFAULT), reverse=True, dim=False
)


class Recolour(LineFilter):
    """Puts the colours of a theme where the signs of roles are; does nothing where they are the
    same.
    """

    def __init__(self, theme: ColourTheme, colour_system: str | None) -> None:
        colours = {role: apart(theme.colour(role, colour_system), role) for role in ROLES}
        changed = {
            Color.parse(DARK_COLOURS[role]).triplet: colour
            for role, colour in colours.items()
            if colour != DARK_COLOURS[role]
        }
        super().__init__(enabled=bool(changed))
        self._turned = {sign for sign, colour in changed.items() if colour == REVERSE}
        self._colours = {
            sign: Color.parse(colour) for sign, colour in changed.items() if colour != REVERSE
        }
        # What is written in the colour of the ground stands on a colour: a terminal's own ground
        # is not known.
        self._inks = {_GROUND: Color.parse("black")} if theme.ansi else {}
        self._styles: dict[Style, Style] = {}

    def apply(self, segments: list[Segment], background: textual.color.Color) -> list[Segment]:
        """Return the segments in the colours of the theme."""
        styles, found = self._styles, []
        for text, style, control in segments:
            if style is None:
                found.append(Segment(text, style, control))
                continue
            worn = styles.get(style)
            if worn is None:
                if len(styles) >= MOST_STYLES:  # places of text are in styles, for the mouse
                    styles.clear()
                worn = styles[style] = self._worn(style)
            found.append(Segment(text, worn, control))
        return found

    def _worn(self, style: Style) -> Style:
        """Return a style with the colours of the theme."""
        if style.bgcolor is not None and style.bgcolor.triplet in self._turned:
            return style + _TURNED
        text, ground = style.color, style.bgcolor
        return style + Style(
            color=None if text is None else (self._colours | self._inks).get(text.triplet),
            bgcolor=None if ground is None else self._colours.get(ground.triplet),
        )


def apart(colour: str, role: str) -> str:
    """Return ``colour``, or one that nobody can tell from it if it happens to be the sign of
    another role: it would be exchanged in its turn.
    """
    while _SIGNS.get(colour, role) != role:
        blue = int(colour[5:], 16)
        colour = f"{colour[:5]}{blue - 1 if blue else 1:02x}"
    return colour


def textual_theme(theme: ColourTheme, colour_system: str | None) -> Theme:
    """Return a theme for the style sheet, in the colours that a terminal of that kind has."""
    colour = {role: _for_css(theme.colour(role, colour_system), role) for role in ROLES}
    ground, surface, line = colour["background"], colour["surface"], colour["line"]
    return Theme(
        name=theme.name,
        primary=colour["accent"],
        secondary=colour["run"],
        accent=colour["accent"],
        foreground=colour["text"],
        background=ground,
        surface=surface,
        panel=colour["panel"],
        boost=colour["panel"],
        success=colour["success"],
        warning=colour["warning"],
        error=colour["error"],
        dark=theme.dark,
        ansi=theme.ansi,
        variables={
            **(BUILTIN_THEMES["ansi-dark"].variables if theme.ansi else {}),
            **{role: colour[role] for role in _VARIABLES},
            # What stands on the accent or on red, and how a chosen line is told from the others.
            "on-accent": "ansi_black" if theme.ansi else ground,
            "chosen": "bold reverse" if theme.colours["cursor"] == REVERSE else "bold",
            "scrollbar": line,
            "scrollbar-hover": colour["dim"],
            "scrollbar-active": colour["accent"],
            "scrollbar-background": ground,
            "scrollbar-background-hover": ground,
            "scrollbar-background-active": ground,
            "scrollbar-corner-color": ground,
            "border": colour["accent"],
            "border-blurred": line,
            "input-selection-background": colour["cursor"],
            "block-cursor-background": colour["cursor"],
            "block-cursor-foreground": colour["bright"],
            "block-hover-background": colour["panel"],
        },
    )


def _for_css(colour: str, role: str) -> str:
    """Return a colour as the style sheet writes it."""
    if colour.startswith("#"):
        return apart(colour, role)
    return f"ansi_{DEFAULT if colour == REVERSE else colour}"
