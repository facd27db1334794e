"""Every theme has a colour for each role, and what is written can be read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.color import Color, ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual.color import Color as CssColour

import tui
from tui.model.themes import (
    ANSI,
    BUILT_IN,
    DARK,
    DARK_COLOURS,
    FAINT,
    GROUNDS,
    HIGH_CONTRAST,
    LIGHT,
    ROLES,
    TERMINAL,
    WORDS,
    contrast,
    derived,
    is_colour,
)  # fmt: skip
from tui.widgets import palette
from tui.widgets.recolour import MOST_STYLES, Recolour, apart, textual_theme

if TYPE_CHECKING:
    from tui.model.themes import ColourTheme

PAINTED = [DARK, LIGHT, HIGH_CONTRAST]
SYSTEMS = pytest.mark.parametrize("system", ["truecolor", "256"])
BLACK = CssColour(0, 0, 0)


def shown(theme: ColourTheme, role: str, system: str) -> str:
    """Return the colour that the terminal shows in the end, as #rrggbb."""
    colour = Color.parse(theme.colour(role, system))
    if system == "256":
        colour = colour.downgrade(ColorSystem.EIGHT_BIT)
    return str(colour.get_truecolor().hex)


@pytest.mark.parametrize("theme", BUILT_IN.values(), ids=BUILT_IN)
def test_every_role_has_a_colour(theme: ColourTheme) -> None:
    assert set(theme.colours) == set(ROLES)
    assert all(
        is_colour(c) for role, c in theme.colours.items() if role != "cursor" or c != "reverse"
    )


def test_no_two_roles_have_the_same_sign() -> None:
    assert len(set(DARK_COLOURS.values())) == len(ROLES)


def test_every_colour_of_the_palette_is_the_sign_of_a_role() -> None:
    found = [value for value in vars(palette).values() if isinstance(value, str) and "#" in value]
    colours = [c for c in found if re.fullmatch("#[0-9a-f]{6}", c)]
    colours += [*palette.STATUS_COLOUR, *palette.SEVERITY_COLOUR, *palette.LINE_COLOUR.values()]
    assert len(colours) > 30
    assert set(colours) <= set(DARK_COLOURS.values())


def test_colours_stand_in_the_themes_only() -> None:
    folder = Path(tui.__file__).parent
    literal = re.compile(r"(?<!&)#[0-9a-fA-F]{3}(?:[0-9a-fA-F]{3})?\b")
    found = [
        path.name
        for path in [*folder.rglob("*.py"), *folder.rglob("*.tcss")]
        # A picture has the window around the terminal as well.
        if path.name not in ("themes.py", "settings_text.py")
        and path.parent.name != "pictures"
        and literal.search(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@SYSTEMS
@pytest.mark.parametrize("theme", PAINTED, ids=lambda theme: theme.name)
def test_what_is_written_can_be_read_on_every_ground(theme: ColourTheme, system: str) -> None:
    needed = {**dict.fromkeys(WORDS, 4.5), **dict.fromkeys(FAINT, 3.0)}
    for role, least in needed.items():
        for ground in GROUNDS:
            found = contrast(shown(theme, role, system), shown(theme, ground, system))
            assert found >= least, f"{role} on {ground}: {found:.2f}"


@pytest.mark.parametrize("theme", PAINTED, ids=lambda theme: theme.name)
def test_what_stands_on_a_colour_can_be_read(theme: ColourTheme) -> None:
    for ground in ("accent", "warning", "error"):
        assert contrast(theme.colours["background"], theme.colours[ground]) >= 4.5


@pytest.mark.parametrize("theme", PAINTED, ids=lambda theme: theme.name)
def test_256_colours_are_enough_to_tell_all_roles_apart(theme: ColourTheme) -> None:
    assert len({shown(theme, role, "256") for role in ROLES}) == len(ROLES)


def test_high_contrast_means_it() -> None:
    for role in WORDS:
        assert contrast(HIGH_CONTRAST.colours[role], HIGH_CONTRAST.colours["background"]) >= 7


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=0.001)


def recoloured(filter_: Recolour, style: Style) -> Style:
    (segment,) = filter_.apply([Segment("x", style)], BLACK)
    assert segment.style is not None
    return segment.style


def test_the_signs_of_roles_become_the_colours_of_the_theme() -> None:
    light = Recolour(LIGHT, "truecolor")
    style = recoloured(light, Style(color=palette.DIM, bgcolor=palette.CURSOR, bold=True))
    assert style.color == Color.parse(LIGHT.colours["dim"])
    assert style.bgcolor == Color.parse(LIGHT.colours["cursor"])
    assert style.bold
    foreign = Style(color="#123456")
    assert recoloured(light, foreign) == foreign


def test_what_is_recoloured_stays_as_it_is() -> None:
    for theme in BUILT_IN.values():
        filter_ = Recolour(theme, "truecolor")
        for sign in DARK_COLOURS.values():
            once = recoloured(filter_, Style(color=sign))
            assert recoloured(filter_, once) == once


def test_styles_that_never_end_are_not_all_remembered() -> None:
    light = Recolour(LIGHT, "truecolor")
    for place in range(MOST_STYLES + 10):
        style = Style(color=palette.DIM) + Style.from_meta({"offset": (0, place)})
        worn = recoloured(light, style)
    assert worn.color == Color.parse(LIGHT.colours["dim"])
    assert worn.meta == {"offset": (0, MOST_STYLES + 9)}
    assert len(light._styles) <= MOST_STYLES  # noqa: SLF001 - memory shows nowhere else


def test_a_colour_that_is_the_sign_of_another_role_is_one_beside_it() -> None:
    mean = derived("mean", LIGHT, {"text": palette.RED})
    colour = apart(mean.colours["text"], "text")
    assert colour != palette.RED
    assert contrast(colour, palette.RED) < 1.02
    assert textual_theme(mean, "truecolor").foreground == colour


def test_the_dark_theme_needs_nothing_done_but_on_256_colours() -> None:
    assert not Recolour(DARK, "truecolor").enabled
    assert Recolour(DARK, "256").enabled
    assert textual_theme(DARK, "256").background == DARK.for_256["background"]


def test_the_cursor_in_the_terminals_own_colours_is_reversed_and_without_other_colours() -> None:
    style = recoloured(
        Recolour(ANSI, "truecolor"), Style(color=palette.GREEN, bgcolor=palette.CURSOR)
    )
    assert style.reverse
    assert (style.color, style.bgcolor) == (Color.parse("default"), Color.parse("default"))


def test_text_on_a_colour_of_the_terminal_is_black() -> None:
    style = recoloured(
        Recolour(ANSI, "truecolor"), Style(color=palette.BACKGROUND, bgcolor=palette.AMBER)
    )
    assert (style.color, style.bgcolor) == (Color.parse("black"), Color.parse("yellow"))


def test_a_theme_made_from_another_keeps_what_it_does_not_say() -> None:
    mine = derived("mine", LIGHT, {"accent": "#004400"})
    assert mine.colours["accent"] == mine.colour("accent", "256") == "#004400"
    assert mine.colour("text", "256") == LIGHT.for_256["text"]
    assert not mine.dark


@pytest.mark.parametrize(("base", "colour"), [(ANSI, "#123456"), (DARK, "red")])
def test_a_theme_mixes_no_kinds_of_colours(base: ColourTheme, colour: str) -> None:
    with pytest.raises(ValueError, match="text: colours of themes made from"):
        derived("mixed", base, {"text": colour})


def test_names_of_terminal_colours_are_those_of_rich() -> None:
    for name in TERMINAL:
        Color.parse(name)
