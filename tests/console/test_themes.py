"""Themes on the screen, and changing them while it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.console.driving import loaded
from tests.console.test_snapshots import SIZES, after
from tui.model.themes import ANSI, BUILT_IN, DARK_COLOURS, HIGH_CONTRAST, LIGHT

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.pilot import Pilot

    from tui.app import TopApp


def colours_of(pilot: Pilot[Any]) -> set[str]:
    """Return the colours of all that is on the screen."""
    found = set()
    for strip in pilot.app.screen._compositor.render_strips():  # noqa: SLF001 - as its driver does
        for segment in strip:
            if segment.style is not None:
                for colour in (segment.style.color, segment.style.bgcolor):
                    if colour is not None:
                        found.add(colour.triplet.hex if colour.triplet else colour.name)
    return found


@pytest.mark.parametrize("theme", [LIGHT, HIGH_CONTRAST], ids=lambda theme: theme.name)
@pytest.mark.parametrize("keys", [(), ("c",), ("question_mark",), ("d",), ("enter",)])
async def test_changing_the_theme_repaints_everything(
    make_app: Callable[..., TopApp], theme: Any, keys: tuple[str, ...]
) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await loaded(pilot)
        await pilot.press(*keys)
        assert colours_of(pilot) & set(DARK_COLOURS.values())
        app.wear(theme.name)
        await pilot.pause()
        assert not colours_of(pilot) & set(DARK_COLOURS.values())
        assert colours_of(pilot) & set(theme.colours.values())
        app.wear("dark")
        await pilot.pause()
        assert colours_of(pilot) & set(DARK_COLOURS.values())


async def test_the_terminals_own_colours_are_left_to_it(make_app: Callable[..., TopApp]) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await loaded(pilot)
        app.wear(ANSI.name)
        await pilot.pause()
        assert not [colour for colour in colours_of(pilot) if colour.startswith("#")]


@pytest.mark.parametrize(
    ("colour_system", "theme"), [("truecolor", "dark"), ("256", "dark"), ("standard", "ansi")]
)
async def test_the_terminal_decides_on_the_theme_of_those_who_name_none(
    make_app: Callable[..., TopApp], colour_system: str, theme: str
) -> None:
    app = make_app()
    app.suit(colour_system)
    async with app.run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        assert app.theme == theme
        if colour_system == "256":
            assert BUILT_IN["dark"].for_256["text"] in colours_of(pilot)
            assert DARK_COLOURS["text"] not in colours_of(pilot)


@SIZES
@pytest.mark.parametrize("name", [name for name in BUILT_IN if name != "dark"])
def test_pictures(
    snap_compare: Callable[..., bool],
    make_app: Callable[..., TopApp],
    name: str,
    size: tuple[int, int],
) -> None:
    app = make_app()

    async def wear(pilot: Pilot[Any]) -> None:
        await after("space", "space")(pilot)
        app.wear(name)
        await pilot.pause()

    assert snap_compare(app, terminal_size=size, run_before=wear)
