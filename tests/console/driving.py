"""Waiting for what a test is about, instead of for a time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tui.app import TopApp
from tui.screens.jobs import JobsScreen

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.pilot import Pilot


async def until(pilot: Pilot[Any], condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Let the application run until ``condition`` holds; fails after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the application never got there"
        await pilot.pause(0.02)
    await pilot.pause()


async def loaded(pilot: Pilot[Any]) -> None:
    """Wait until the jobs are on the screen."""
    app = pilot.app
    assert isinstance(app, TopApp)
    await until(pilot, lambda: app.dashboard.link.up and isinstance(app.screen, JobsScreen))
    app.repaint()
    await pilot.pause()


def text_of(pilot: Pilot[Any]) -> str:
    """Return the screen as plain text."""
    lines = pilot.app.screen._compositor.render_strips()  # noqa: SLF001 - as its driver does
    return "\n".join(strip.text for strip in lines)
