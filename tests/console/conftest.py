"""A dashboard over a scripted feed with a stopped clock: every run draws the same."""

from __future__ import annotations

import os
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from tests.console.driving import FOR_EVER, settled, still
from tui.app import TopApp
from tui.feed.synthetic import SyntheticFeed
from tui.model import sample, users
from tui.model.chronicle import Chronicle
from tui.model.facts import InstanceInfo
from tui.widgets import palette, preview

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NOW = 1_795_220_449.0
INSTANCE = InstanceInfo("local:///tmp/flux-cTZaMJ/local-0", 4, "0.29.0", NOW - 7500, 0, "vm")

EVENTLOG: list[dict[str, Any]] = [
    {"timestamp": NOW - 20, "name": "submit", "context": {"userid": 0, "urgency": 16, "flags": 0}},
    {"timestamp": NOW - 19.99, "name": "depend"},
    {"timestamp": NOW - 19.98, "name": "priority", "context": {"priority": 16}},
    {
        "timestamp": NOW - 19.9,
        "name": "alloc",
        "context": {"annotations": {"sched": {"resource_summary": "rank0/core0"}}},
    },
    {"timestamp": NOW - 19.8, "name": "start"},
    {"timestamp": NOW - 1, "name": "finish", "context": {"status": 256}},
    {"timestamp": NOW - 0.9, "name": "clean"},
]
EXEC_EVENTLOG: list[dict[str, Any]] = [
    {"timestamp": NOW - 19.85, "name": "init"},
    {"timestamp": NOW - 19.84, "name": "starting"},
    {"timestamp": NOW - 19.7, "name": "shell.init", "context": {"leader-rank": 0, "size": 1}},
]


def output(lines: int) -> list[dict[str, Any]]:
    """Return an output eventlog of two tasks."""
    entries: list[dict[str, Any]] = [
        {
            "timestamp": NOW,
            "name": "header",
            "context": {"version": 1, "count": {"stdout": 2, "stderr": 2}},
        }
    ]
    for i in range(lines):
        loud = i % 7 == 3
        text = "warning: pressure drift\n" if loud else f"step {i:4d}  energy {-4.2 * i:12.4f}\n"
        context = {"stream": "stderr" if loud else "stdout", "rank": str(i % 2), "data": text}
        entries.append({"timestamp": NOW, "name": "data", "context": context})
    return entries


def log_lines(number: int) -> list[str]:
    """Return broker log entries of several severities."""
    kinds = [
        (7, "sched-simple", "alloc: rank0/core0"),
        (6, "broker", "rc1.0: running"),
        (4, "kvs", "slow commit 1.2s"),
    ]
    lines = []
    for i in range(number):
        severity, app, text = kinds[0 if i % 4 else i % 3]
        lines.append(
            f"<{severity * 8}>1 2026-11-21T00:20:{i % 60:02d}.520483Z {i % 4} {app} 5690 - - {text}"
        )
    lines.append("<24>1 2026-11-21T00:21:00.000001Z 2 job-exec 5690 - - lost contact with rank 2")
    return lines


@pytest.fixture(autouse=True)
def steady_world(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The same time zone, user names and terminal everywhere."""
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.delenv("NO_COLOR", raising=False)
    time.tzset()
    names = {0: "root", 1: "alice"}
    monkeypatch.setattr("pwd.getpwuid", lambda uid: SimpleNamespace(pw_name=names[uid]))
    users.user_name.cache_clear()
    yield
    users.user_name.cache_clear()
    os.environ.pop("TZ", None)
    time.tzset()


@pytest.fixture(autouse=True)
def nothing_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Settings and histories of nobody."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture(autouse=True)
def keys_are_taken_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key has done what it does before the next one is pressed, however busy the machine."""
    for module in ("textual.app", "textual.pilot"):
        monkeypatch.setattr(f"{module}.wait_for_idle", settled)


@pytest.fixture(autouse=True)
def nothing_changes_with_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cursors do not blink, and what is told stays: pictures take their time on a busy machine."""
    monkeypatch.setattr("textual.widgets.Input._toggle_cursor", lambda self: None)
    notify = TopApp.notify

    def for_an_hour(self: TopApp, message: str, **how: Any) -> None:
        notify(self, message, **{**how, "timeout": 3600.0})

    monkeypatch.setattr(TopApp, "notify", for_an_hour)


@pytest.fixture(autouse=True)
def the_past_is_known_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Charts do not fill bit by bit: pictures would show how far they were."""
    settle = Chronicle.settle

    def settled_whole(self: Chronicle, *arguments: Any) -> None:
        settle(self, *arguments)
        self.complete()

    monkeypatch.setattr(Chronicle, "settle", settled_whole)


@pytest.fixture
def snap_compare(
    snap_compare: Callable[..., bool],
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., bool]:
    """Compare pictures that nothing is about to change: the job under the cursor is read beside the
    table only where that is what the picture is about.
    """
    if request.node.path.name != "test_preview.py":
        monkeypatch.setattr(preview, "REST_SECONDS", FOR_EVER)

    def compare(app: Any, **how: Any) -> bool:
        before = how.pop("run_before", None)

        async def run(pilot: Any) -> None:
            if before is not None:
                await before(pilot)
            await still(pilot)

        return snap_compare(app, run_before=run, **how)

    return compare


@pytest.fixture
def feed() -> SyntheticFeed:
    """Three hundred jobs of every kind."""
    return SyntheticFeed(
        sample.jobs(300, NOW),
        instance=INSTANCE,
        entries={
            "eventlog": EVENTLOG,
            "guest.exec.eventlog": EXEC_EVENTLOG,
            "guest.output": output(120),
        },
        stored={
            "jobspec": {
                "tasks": [{"command": ["lammps", "-in", "melt.in"]}],
                "attributes": {"system": {"cwd": "/home/alice/runs/42"}},
            }
        },
        log_lines=log_lines(60),
    )


@pytest.fixture
def make_app(feed: SyntheticFeed) -> Callable[..., TopApp]:
    """Return a maker of applications over ``feed``."""

    def make(**options: Any) -> TopApp:
        options.setdefault("clock", lambda: NOW)
        options.setdefault("glyphs", palette.UNICODE)
        return TopApp(feed, **options)

    return make
