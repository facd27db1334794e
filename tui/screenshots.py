"""``python -m tui.screenshots DIR``: pictures of the dashboard over a real instance of four brokers
with jobs of every kind.

The module starts the instance with itself as the initial program; inside, it submits jobs, drives
the dashboard without a terminal and writes each screen as SVG, and as PNG where ``rsvg-convert`` is
installed.
"""

from __future__ import annotations

import asyncio
import functools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flux import Flux
from flux.job import JobspecV1, cancel, submit
from tui.app import TopApp
from tui.feed.live import LiveFeed
from tui.model.states import DONE
from tui.pictures.gaps import without_gaps
from tui.screens.job import JobScreen
from tui.views import JOBS, VIEWS
from tui.widgets import palette

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.pilot import Pilot

SIZES: Final = ((120, 40), (80, 24), (200, 60))
PROGRAMS: Final = {
    "align": 'sleep 0.$1; echo "aligned $1 reads"',
    "reduce": "sleep 0.2; echo total $(( $1 * 7 ))",
    "render": 'for i in $(seq 60); do echo "frame $i of 60"; '
    '[ $((i % 9)) = 0 ] && echo "texture missing" >&2; sleep 0.3; done',
    "train": 'for i in $(seq 90); do echo "epoch $i loss 0.$((900 - i * 7))"; sleep 0.4; done',
    "solve": 'echo "residual grows: giving up" >&2; exit 3',
    "merge": "sleep 90",
    "report": "sleep 120",
}


def main(arguments: list[str]) -> int:
    """Boot an instance and take the pictures in it; returns the exit code."""
    directory = Path(arguments[0] if arguments else "screenshots").resolve()
    directory.mkdir(parents=True, exist_ok=True)
    if arguments[1:] == ["--inside"]:
        with tempfile.TemporaryDirectory(prefix="flux-screens-") as work:
            submit_all(Path(work))
            asyncio.run(take_all(directory))
        return 0
    flux = Path(sys.executable).with_name("flux")
    inside = [sys.executable, "-m", "tui.screenshots", str(directory), "--inside"]
    return subprocess.run([str(flux), "start", "-s", "4", *inside], check=False).returncode


def submit_all(work: Path) -> None:
    """Submit jobs that succeed, fail, run long, wait, are canceled and time out."""
    for name, text in PROGRAMS.items():
        path = work / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    handle = Flux()

    def run(
        name: str, *arguments: str, tasks: int = 1, duration: float = 0.0, urgency: int = 16
    ) -> int:
        jobspec = JobspecV1.from_command([str(work / name), *arguments], num_tasks=tasks)
        jobspec.cwd = str(work)
        jobspec.environment = dict(os.environ)
        jobspec.duration = duration
        return int(submit(handle, jobspec, urgency=urgency))

    run("train", tasks=2)
    run("render", tasks=2)
    run("solve")
    run("missing")
    run("merge", duration=0.5)
    unwanted = run("merge")
    run("report", urgency=0)
    for i in range(280):
        run("align", str(i % 10)) if i % 3 else run("reduce", str(i))
    for _ in range(6):
        run("merge")
    wait_until(handle, lambda counts: counts["inactive"] > 205)
    cancel(handle, unwanted, "not needed any more")
    handle.close()


def wait_until(handle: Flux, done: Callable[[dict[str, int]], bool], seconds: float = 60.0) -> None:
    """Wait until the counts of job-list satisfy ``done``; raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not done(handle.rpc("job-list.job-stats").get()["job_states"]):
        if time.monotonic() > deadline:
            raise TimeoutError("the jobs did not get where the picture needs them")
        time.sleep(0.05)


async def take_all(directory: Path) -> None:
    """Take every picture in every size."""
    for size in SIZES:
        app = TopApp(LiveFeed(), glyphs=palette.UNICODE)
        async with app.run_test(size=size) as pilot:
            await until(pilot, functools.partial(_filled, app))
            await pilot.pause(4.0)
            end = f"{size[0]}x{size[1]}.svg"
            for name, keys in _PICTURES:
                await picture(pilot, keys, directory / f"{name}-{end}")
            for view in VIEWS:
                if view.name != JOBS:
                    app.show_view(JOBS)
                    app.show_view(view.name)
                    await pilot.pause(1.5)
                    keys = _KEYS_IN_VIEWS.get(view.name, ())
                    await picture(pilot, keys, directory / f"{view.name}-{end}")


def _filled(app: TopApp) -> bool:
    return app.dashboard.link.up and app.dashboard.total(DONE) > 205


_KEYS_IN_VIEWS: Final = {"nodes": ("m",)}
_PICTURES: Final = (
    ("jobs", ()),
    ("filter", ("slash", *"state:active -n:merge", "enter")),
    ("job", ("escape", "slash", *"n:train", "enter", "enter")),
    ("job-failed", ("escape", "slash", "ctrl+u", *"n:solve", "enter", "enter")),
    ("cancel", ("escape", "slash", "ctrl+u", *"state:active n:merge", "enter", "a", "c")),
    ("help", ("escape", "u", "escape", "question_mark")),
)


async def picture(pilot: Pilot[None], keys: tuple[str, ...], path: Path) -> None:
    """Press ``keys``, let the screen settle, write it."""
    await pilot.press(*keys)
    app = pilot.app
    if isinstance(app.screen, JobScreen):
        await until(pilot, lambda: bool(app.screen.query("#output")), 5)
        await pilot.pause(1.5)
    await pilot.pause(0.5)
    path.write_text(without_gaps(app.export_screenshot(title="flux top")), encoding="utf-8")
    print(path.name)
    converter = shutil.which("rsvg-convert")
    if converter:
        subprocess.run([converter, "-o", path.with_suffix(".png"), path], check=False)


async def until(pilot: Pilot[None], condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Let the application run until ``condition`` holds; raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the dashboard did not show what the picture needs")
        await pilot.pause(0.05)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
