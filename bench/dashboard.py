"""The dashboard with 100,000 jobs at 160x50: first paint, an update of 100 rows, the memory it
takes.

The job list is given as the decoded records of job-list; what is timed is everything from there to
the finished screen: the columnar model, its sort, the widgets, and the composition of every visible
line into text with escape sequences.
"""

from __future__ import annotations

import asyncio
import gc
import time
from typing import TYPE_CHECKING

import psutil

from bench.measure import Figure, Series, Target, show
from flux.wire import json
from tui.app import TopApp
from tui.feed.synthetic import SyntheticFeed
from tui.model import sample
from tui.model.dashboard import Dashboard

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

JOBS = 100_000
ROWS = 100
SIZE = (160, 50)
REPEAT = 5
UPDATES = 30


class HeldFeed(SyntheticFeed):
    """A feed that delivers nothing by itself: the measurement says when."""

    async def run(self, dashboard: Dashboard) -> None:
        """Wait for ever."""
        await asyncio.Event().wait()


def paint(app: TopApp) -> int:
    """Bring the screen up to date and compose all of it as for a terminal; returns the characters
    it takes.
    """
    app.repaint()
    screen = app.screen
    screen.refresh()
    strips = screen._compositor.render_strips()  # noqa: SLF001 - as its driver does
    return sum(len(strip.render(app.console)) for strip in strips)


async def _with_app(
    feed: SyntheticFeed, measure: Callable[[TopApp], Awaitable[list[float]]]
) -> list[float]:
    app = TopApp(feed)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        return await measure(app)


def _first_paint() -> float:
    feed = HeldFeed(sample.jobs(JOBS, time.time()))

    async def measure(app: TopApp) -> list[float]:
        gc.collect()
        started = time.perf_counter()
        feed.load(app.dashboard)
        if paint(app) < SIZE[0] * SIZE[1]:
            raise RuntimeError("the first screen was not painted in full")
        return [time.perf_counter() - started]

    return asyncio.run(_with_app(feed, measure))[0]


def _updates() -> list[float]:
    feed = HeldFeed(sample.jobs(JOBS, time.time()))

    async def measure(app: TopApp) -> list[float]:
        feed.load(app.dashboard)
        paint(app)
        times: list[float] = []
        for _ in range(UPDATES):
            changes = feed.changes(app.dashboard, ROWS)
            started = time.perf_counter()
            app.dashboard.apply(changes)
            paint(app)
            times.append(1000 * (time.perf_counter() - started))
            await asyncio.sleep(0)
        return times

    return asyncio.run(_with_app(feed, measure))


def _memory() -> float:
    """MiB that the model of all jobs adds, without the decoded records it was made of."""
    process = psutil.Process()
    dashboard = Dashboard(time.time)
    records = sample.jobs(JOBS, time.time())
    gc.collect()
    before = process.memory_info().rss
    dashboard.replace(records)
    dashboard.settle()
    gc.collect()
    return (process.memory_info().rss - before) / 2**20


def _decode() -> float:
    answer = json.dumps({"jobs": sample.jobs(JOBS, time.time())})
    started = time.perf_counter()
    json.loads(answer)
    return time.perf_counter() - started


def figures() -> list[Figure]:
    """Seconds to the first paint, milliseconds of an update, MiB of the model."""
    label = f"dashboard, {JOBS:,} jobs"
    return [
        _figure(
            f"{label}: first paint", "s", Target(bound=0.4), [_first_paint() for _ in range(REPEAT)]
        ),
        _figure(f"{label}: update of {ROWS} rows", "ms", Target(bound=50), _updates()),
        _figure(
            f"{label}: memory added", "MiB", Target(bound=100), [_memory() for _ in range(REPEAT)]
        ),
        _figure(
            f"decoding the list of {JOBS:,} jobs", "s", Target(), [_decode() for _ in range(REPEAT)]
        ),
    ]


def _figure(name: str, unit: str, target: Target, samples: list[float]) -> Figure:
    return Figure(name, unit, target, {"ours": Series(tuple(samples))})


if __name__ == "__main__":
    show(figures())
