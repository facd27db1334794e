"""Watchers of the wall clock, files and child processes, and what timers tell of themselves."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from flux.core.reactor import Reactor
from flux.core.reactor_handle import ReactorHandle

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Iterator


@pytest.fixture
def h() -> Iterator[ReactorHandle]:
    handle = ReactorHandle(Reactor())
    yield handle
    handle.reactor.close()


def stopping(seen: list[Any], count: int, fact: Callable[[Any], object]) -> Callable[..., None]:
    """Return a callback that notes ``fact`` of its watcher and stops it after ``count`` calls."""

    def callback(_handle: object, watcher: Any, _revents: int, _args: object) -> None:
        seen.append(fact(watcher))
        if len(seen) == count:
            watcher.stop()

    return callback


def test_a_periodic_watcher_calls_at_multiples_of_its_interval(h: ReactorHandle) -> None:
    due: list[float] = []
    watcher = h.periodic_watcher_create(0.005, 0.01, stopping(due, 3, lambda w: w.next_wakeup()))
    watcher.start()
    assert 0 <= watcher.next_wakeup() - time.time() <= 0.011
    h.reactor_run()
    assert due == sorted(set(due))
    assert all(abs((when - 0.005) / 0.01 - round((when - 0.005) / 0.01)) < 0.01 for when in due)


def test_a_periodic_watcher_without_interval_calls_once(h: ReactorHandle) -> None:
    seen: list[Any] = []
    watcher = h.periodic_watcher_create(0, 0, stopping(seen, 9, lambda w: w.active))
    watcher.reset(time.time() + 0.01, 0)
    watcher.start()
    assert h.reactor_run() == 0
    assert seen == [False]


def test_a_periodic_watcher_asks_for_its_next_time(h: ReactorHandle) -> None:
    seen: list[Any] = []
    asked: list[float] = []

    def next_time(_watcher: object, now: float) -> float:
        asked.append(now)
        return now + 0.005 if len(asked) < 3 else now - 1

    h.periodic_watcher_create(0, 0, stopping(seen, 9, lambda w: w.active), next_time).start()
    h.reactor_run()
    assert seen == [True, False]
    assert len(asked) == 3


def size(status: os.stat_result | None) -> int | None:
    return None if status is None else status.st_size


def test_a_file_that_comes_changes_and_goes_is_noticed(
    h: ReactorHandle, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "file"
    sizes: list[tuple[int | None, int | None]] = []
    steps: list[Callable[[], object]] = [
        lambda: path.write_text("abc"),
        path.unlink,
        lambda: watcher.stop(),
    ]

    def changed(_handle: object, watcher: Any, _revents: int, _args: object) -> None:
        sizes.append((size(watcher.prev), size(watcher.stat)))
        steps.pop(0)()

    watcher = h.stat_watcher_create(str(path), 0.002, changed)
    watcher.start()
    path.write_text("")
    h.reactor_run()
    assert sizes == [(None, 0), (0, 3), (3, None)]


def test_a_child_that_ends_is_noticed(h: ReactorHandle) -> None:
    seen: list[int] = []
    child = subprocess.Popen(["sh", "-c", "exit 3"])
    watcher = h.child_watcher_create(child.pid, stopping(seen, 1, lambda w: w.rstatus))
    watcher.start()
    assert h.reactor_run() == 0
    assert (watcher.rpid, os.waitstatus_to_exitcode(seen[0])) == (child.pid, 3)
    child.returncode = 3

    child = subprocess.Popen(["sleep", "60"])
    watcher = h.child_watcher_create(child.pid, stopping(seen, 9, lambda w: w.rstatus))
    watcher.start()
    watcher.kill()
    h.reactor_run()
    assert os.waitstatus_to_exitcode(seen[1]) == -signal.SIGTERM
    child.returncode = -signal.SIGTERM


def test_only_children_are_watched(h: ReactorHandle) -> None:
    with pytest.raises(ChildProcessError, match="1 is not a child process"):
        h.child_watcher_create(1, print).start()
    assert h.reactor_run() == 0


def test_timers_are_reset_and_tell_their_time(h: ReactorHandle) -> None:
    seen: list[float] = []
    watcher = h.timer_watcher_create(3600, stopping(seen, 2, lambda w: w.repeat))
    watcher.start()
    assert 3590 < watcher.next_wakeup() - h.reactor.now() <= 3600
    watcher.reset(0.001, 0.002)
    h.reactor_run()
    assert seen == [0.002, 0.002]
    reader, writer = os.pipe()
    with pytest.raises(OSError, match="does not call at a time") as caught:
        h.fd_watcher_create(reader, print).next_wakeup()
    assert caught.value.errno == errno.EINVAL
    os.close(reader)
    os.close(writer)
    assert abs(h.reactor.time() - time.time()) < 60
