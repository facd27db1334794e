"""The dashboard's table with 100,000 jobs at 160x50, alone and in sets: first paint, an update of
100 rows, sorting, a key of a filter, the memory it takes.

The job list is given as the decoded records of job-list, all at once (first paint, which no program
does) or as an instance sends them, the newest first and then in pieces (first picture). What is
timed is everything from there to the finished screen: the columnar model, its sets, its sort, the
widgets, and the composition of every visible line into text with escape sequences.
"""

from __future__ import annotations

import asyncio
import gc
import time
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Final

import psutil

from bench.measure import Figure, Series, Target, show
from flux.wire import json
from tui.app import TopApp
from tui.feed.live import FIRST_PAGE
from tui.feed.synthetic import SyntheticFeed
from tui.model import sample
from tui.model.dashboard import Dashboard

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tui.model.records import Job

JOBS: Final = 100_000
SETS: Final = 50
ROWS: Final = 100
PIECE: Final = 700
"""Jobs that are decoded and taken in at once, about (`tui.feed.job_list.PIECE_BYTES`)."""
SIZE: Final = (160, 50)
REPEAT: Final = 5
UPDATES: Final = 30
COLUMNS: Final = ("id", "name", "runtime", "info", "state")
TYPED: Final = "render"


class HeldFeed(SyntheticFeed):
    """A feed that delivers nothing by itself: the measurement says when."""

    async def run(self, dashboard: Dashboard) -> None:
        """Wait for ever."""
        await asyncio.Event().wait()


def alone() -> list[Job]:
    """Return jobs that are in no set, but for a few."""
    return sample.jobs(JOBS, time.time())


def in_sets() -> list[Job]:
    """Return jobs in 50 sets, each with names that differ in a number."""
    jobs, each = alone(), JOBS // SETS
    now = time.time()
    for place, job in enumerate(jobs):
        number, member = divmod(place, each)
        job["name"] = f"{sample.NAMES[number % len(sample.NAMES)]}-{member}"
        job["ntasks"], job["userid"] = 1 + number // len(sample.NAMES), 0
        job["t_submit"] = now - (SETS - number) * each * 2 + member / 100
    return jobs


KINDS: Final[dict[str, Callable[[], list[Job]]]] = {"": alone, f" in {SETS} sets": in_sets}


def paint(app: TopApp) -> int:
    """Bring the screen up to date and compose all of it as for a terminal; returns the characters
    it takes.
    """
    app.repaint()
    screen = app.screen
    screen.refresh()
    strips = screen._compositor.render_strips()  # noqa: SLF001 - as its driver does
    return sum(len(strip.render(app.console)) for strip in strips)


def repaint(app: TopApp) -> int:
    """Bring the screen up to date as the program does between two events: what looks different is
    composed for the terminal, nothing else; returns the characters it takes.
    """
    app.repaint()
    compositor = app.screen._compositor  # noqa: SLF001 - as messages of its widgets have it do
    waiting = {widget for widget in compositor.visible_widgets if widget._repaint_required}  # noqa: SLF001
    for widget in waiting:
        widget._repaint_required = False  # noqa: SLF001
    compositor.update_widgets(waiting)
    update = compositor.render_partial_update()
    return 0 if update is None else len(update.render_segments(app.console))


async def _with_app(
    feed: SyntheticFeed, measure: Callable[[TopApp], Awaitable[list[float]]]
) -> list[float]:
    app = TopApp(feed)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        return await measure(app)


def _first_paint(jobs: list[Job]) -> float:
    feed = HeldFeed(jobs)

    async def measure(app: TopApp) -> list[float]:
        gc.collect()
        started = time.perf_counter()
        feed.load(app.dashboard)
        if paint(app) < SIZE[0] * SIZE[1]:
            raise RuntimeError("the first screen was not painted in full")
        return [time.perf_counter() - started]

    return asyncio.run(_with_app(feed, measure))[0]


def _as_sent(jobs: list[Job]) -> tuple[float, list[float]]:
    """Seconds to the first picture when the newest come first, as an instance sends them; then
    milliseconds that each piece of all of them takes until it is on the screen.
    """
    feed = HeldFeed(jobs)
    newest = sorted(jobs, key=itemgetter("t_submit"), reverse=True)

    async def measure(app: TopApp) -> list[float]:
        gc.collect()
        started = time.perf_counter()
        feed.jobs = newest[:FIRST_PAGE]
        feed.load(app.dashboard)
        paint(app)
        times = [time.perf_counter() - started]
        for start in range(0, len(newest), PIECE):
            started = time.perf_counter()
            app.dashboard.load(newest[start : start + PIECE])
            paint(app)
            times.append(1000 * (time.perf_counter() - started))
            await asyncio.sleep(0)
        return times

    first, *pieces = asyncio.run(_with_app(feed, measure))
    return first, pieces


def _loaded(
    jobs: list[Job],
    steps: Callable[[TopApp, HeldFeed], list[Callable[[], None]]],
    draw: Callable[[TopApp], int] = paint,
) -> list[float]:
    """Return the milliseconds that each step and the drawing after it take."""
    feed = HeldFeed(jobs)

    async def measure(app: TopApp) -> list[float]:
        feed.load(app.dashboard)
        paint(app)
        times: list[float] = []
        for step in steps(app, feed):
            gc.collect()
            started = time.perf_counter()
            step()
            if not draw(app):
                raise RuntimeError("nothing was drawn")
            times.append(1000 * (time.perf_counter() - started))
            await asyncio.sleep(0)
        return times

    return asyncio.run(_with_app(feed, measure))


def _updates(app: TopApp, feed: HeldFeed) -> list[Callable[[], None]]:
    def update() -> None:
        app.dashboard.apply(changes.pop())

    # Made before, as if they had come from a broker, each of jobs of its own.
    changes = [feed.changes(app.dashboard, ROWS) for _ in range(UPDATES)]
    return [update] * UPDATES


def _sorts(app: TopApp, _: HeldFeed) -> list[Callable[[], None]]:
    return [partial(app.dashboard.set_sort, name, False) for name in COLUMNS]


def _keys(app: TopApp, _: HeldFeed) -> list[Callable[[], None]]:
    typed = [TYPED[: end + 1] for end in range(len(TYPED))]
    return [partial(app.dashboard.set_query, text) for text in typed]


def _memory(jobs: list[Job]) -> float:
    """MiB that the model of all jobs adds, without the decoded records it was made of."""
    process = psutil.Process()
    dashboard = Dashboard(time.time)
    gc.collect()
    before = process.memory_info().rss
    dashboard.replace(jobs)
    dashboard.settle()
    gc.collect()
    return (process.memory_info().rss - before) / 2**20


def _decode() -> float:
    answer = json.dumps({"jobs": alone()})
    started = time.perf_counter()
    json.loads(answer)
    return time.perf_counter() - started


def figures() -> list[Figure]:
    """Seconds to the first paint, milliseconds of an update, a sort, a key, MiB of the model."""
    found = []
    for kind, make in KINDS.items():
        label = f"dashboard, {JOBS:,} jobs{kind}"
        found += [
            _figure(
                f"{label}, all at once: first paint",
                "s",
                Target(),
                [_first_paint(make()) for _ in range(REPEAT)],
            ),
            *_figures_as_sent(label, make()),
            _figure(
                f"{label}: update of {ROWS} rows",
                "ms",
                Target(bound=20),
                _loaded(make(), _updates, repaint),
            ),
            _figure(
                f"{label}: update of {ROWS} rows and all of the screen",
                "ms",
                Target(),
                _loaded(make(), _updates),
            ),
            _figure(f"{label}: sort", "ms", Target(bound=400), _loaded(make(), _sorts)),
            _figure(f"{label}: a key of a filter", "ms", Target(bound=80), _loaded(make(), _keys)),
            _figure(
                f"{label}: memory added",
                "MiB",
                Target(bound=120),
                [_memory(make()) for _ in range(REPEAT)],
            ),
        ]
    decoding = [_decode() for _ in range(REPEAT)]
    return [*found, _figure(f"decoding the list of {JOBS:,} jobs", "s", Target(), decoding)]


def _figures_as_sent(label: str, jobs: list[Job]) -> list[Figure]:
    """The first picture, and what the pieces that come after it hold up."""
    runs = [_as_sent(jobs) for _ in range(REPEAT)]
    return [
        _figure(
            f"{label}: first picture, of the newest {FIRST_PAGE:,}",
            "s",
            Target(bound=0.25),
            [first for first, _ in runs],
        ),
        _figure(
            f"{label}: a piece of {PIECE:,} more",
            "ms",
            Target(),
            [took for _, pieces in runs for took in pieces],
        ),
    ]


def _figure(name: str, unit: str, target: Target, samples: list[float]) -> Figure:
    return Figure(name, unit, target, {"ours": Series(tuple(samples))})


if __name__ == "__main__":
    show(figures())
