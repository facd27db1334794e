"""Keys that come faster than the dashboard takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events
from textual.widgets import Input

from tests.console.driving import loaded, text_of, until
from tui.screens.jobs import JobsScreen

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.pilot import Pilot

    from tui.app import TopApp


def type_at_once(pilot: Pilot[None], text: str) -> None:
    """Have keys wait in the queue together, as on a terminal that was slow."""
    for letter in text:
        key = {"/": "slash", "-": "minus", ":": "colon"}.get(letter, letter)
        pilot.app.post_message(events.Key(key, letter))


async def test_a_filter_typed_at_once_is_a_filter(make_app: Callable[..., TopApp]) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await loaded(pilot)
        type_at_once(pilot, "/-n:acru")
        screen = app.screen
        assert isinstance(screen, JobsScreen)
        await until(pilot, lambda: screen.bar.text == "-n:acru")
        assert "marked" not in text_of(pilot)
        assert app.dashboard.view.query.text == "-n:acru"


async def test_a_search_typed_at_once_is_a_search(make_app: Callable[..., TopApp]) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await loaded(pilot)
        await pilot.press("d")
        type_at_once(pilot, "/fnq")
        await until(pilot, lambda: app.screen.query_one(Input).value == "fnq")
