"""Driving the screens of views."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from tests.console.conftest import NOW
from tests.console.driving import loaded, until
from tui.app import TopApp
from tui.screens.listing import ListingScreen
from tui.widgets import palette

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from textual.pilot import Pilot

    from tui.feed.synthetic import SyntheticFeed

Screen = TypeVar("Screen", bound=ListingScreen[Any])
SIZE = (120, 40)


def make(feed: SyntheticFeed, **how: Any) -> TopApp:
    """Return an application over a feed, with a stopped clock unless another one is given."""
    how.setdefault("clock", lambda: NOW)
    return TopApp(feed, glyphs=palette.UNICODE, **how)


async def opened(pilot: Pilot[Any], key: str, kind: type[Screen]) -> Screen:
    """Go to a view by its key, and wait until it has been read."""
    await loaded(pilot)
    await pilot.press(key)
    await until(pilot, lambda: isinstance(pilot.app.screen, kind))
    screen = pilot.app.screen
    assert isinstance(screen, kind)
    await until(pilot, lambda: screen.known or bool(screen.trouble))
    screen.live_update()
    await pilot.pause()
    return screen


def after(key: str, kind: type[Screen], *keys: str) -> Callable[[Pilot[Any]], Awaitable[None]]:
    """Return what to do before a picture of a view."""

    async def run(pilot: Pilot[Any]) -> None:
        await opened(pilot, key, kind)
        await pilot.press(*keys)
        await pilot.pause()

    return run


def requests(feed: SyntheticFeed, *topics: str) -> list[tuple[str, Any, int]]:
    """Return what was asked of some topics."""
    return [asked for asked in feed.asked if asked[0] in topics]
