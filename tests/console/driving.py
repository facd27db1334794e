"""Waiting for what a test is about, instead of for a time."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from textual._context import active_app
from textual.css.query import NoMatches

from tui.app import TopApp
from tui.screens.jobs import JobsScreen
from tui.widgets import preview
from tui.widgets.preview import PreviewPane

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.pilot import Pilot


async def until(pilot: Pilot[Any], condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Let the application run until ``condition`` holds; fails after ``seconds``.

    It does not hold on a screen that has not got the widgets yet that it looks for.
    """

    def holds() -> bool:
        try:
            return condition()
        except NoMatches:
            return False

    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "the application never got there"
        await pilot.pause(0.02)
    await pilot.pause()


async def settled(*_periods: float) -> None:
    """Let the application run until it has nothing to do but wait for keys, timers and its feed.

    Stands in for `textual._wait.wait_for_idle`, which takes a process that gets no processor for
    one that is idle, and sleeps 20 ms each time to find out. Keys that were pressed are obeyed.
    """
    app = active_app.get()
    while isinstance(app, TopApp) and app.is_running and app.keys_wait:
        await asyncio.sleep(0.001)
    for _ in range(2):
        await _nothing_ready()
        if app._running and app.screen_stack:  # noqa: SLF001 - as its driver does
            app.screen._on_timer_update()  # noqa: SLF001 - draws what is to be drawn by now
    await _nothing_ready()


async def _nothing_ready() -> None:
    """Let the event loop run until all that it has to call has been called."""
    loop: Any = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(0)
        if not loop._ready:  # noqa: SLF001 - asyncio does not tell otherwise
            return


async def loaded(pilot: Pilot[Any]) -> None:
    """Wait until the jobs are on the screen."""
    app = pilot.app
    assert isinstance(app, TopApp)
    await until(pilot, lambda: app.dashboard.link.up and isinstance(app.screen, JobsScreen))
    app.repaint()
    await pilot.pause()


FOR_EVER = 3600.0
"""Seconds that no test takes."""


async def still(pilot: Pilot[Any]) -> None:
    """Wait until nothing is on its way to the screen: what the job under the cursor wrote."""
    app = pilot.app
    if not isinstance(app, TopApp):
        return
    if preview.REST_SECONDS < FOR_EVER:
        panes = [pane for screen in app.live_screens for pane in screen.query(PreviewPane)]
        await until(pilot, lambda: all(pane.jobid is None or pane.has_read for pane in panes))
    app.repaint()
    await pilot.pause()


def text_of(pilot: Pilot[Any]) -> str:
    """Return the screen as plain text."""
    lines = pilot.app.screen._compositor.render_strips()  # noqa: SLF001 - as its driver does
    return "\n".join(strip.text for strip in lines)


def shows(pilot: Pilot[Any], words: str) -> bool:
    """Tell whether the words are on the screen."""
    return words in text_of(pilot)
