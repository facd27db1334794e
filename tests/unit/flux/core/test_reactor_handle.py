"""What a handle does with its reactor, without a connection."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from flux.constants import FLUX_REACTOR_NOWAIT, FLUX_REACTOR_ONCE
from flux.core.reactor import Reactor
from flux.core.reactor_handle import ReactorHandle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def handle() -> Iterator[ReactorHandle]:
    handle = ReactorHandle(Reactor())
    yield handle
    handle.reactor.close()


def test_a_timer_calls_and_the_run_ends_with_it(handle: ReactorHandle) -> None:
    seen: list[object] = []
    handle.timer_watcher_create(0.0, lambda *call: seen.append(call[-1]), args="now").start()
    assert handle.reactor_run() == 0
    assert seen == ["now"]


def test_a_descriptor_and_a_signal_call(handle: ReactorHandle) -> None:
    seen: list[str] = []
    reading, writing = os.pipe()

    def readable(*_: object) -> None:
        seen.append("fd")
        fd.stop()

    def caught(*_: object) -> None:
        seen.append("signal")
        usr1.stop()

    try:
        fd = handle.fd_watcher_create(reading, readable)
        usr1 = handle.signal_watcher_create(signal.SIGUSR1, caught)
        fd.start()
        usr1.start()
        os.write(writing, b"x")
        os.kill(os.getpid(), signal.SIGUSR1)
        handle.reactor_run()
    finally:
        os.close(reading)
        os.close(writing)
    assert sorted(seen) == ["fd", "signal"]


def test_a_watcher_of_what_cannot_be_watched_is_not_started(
    handle: ReactorHandle, tmp_path: Path
) -> None:
    with open(tmp_path / "file", "wb") as file:
        watcher = handle.fd_watcher_create(file.fileno(), lambda *_: None)
        with pytest.raises(PermissionError):
            watcher.start()
    assert not watcher.active
    watcher.stop()
    assert handle.reactor_run() == 0  # nothing keeps it running


def test_a_run_can_be_for_one_turn_or_without_waiting(handle: ReactorHandle) -> None:
    never = handle.timer_watcher_create(3600.0, lambda *_: None)
    never.start()
    assert handle.reactor_run(flags=FLUX_REACTOR_NOWAIT) == 1
    handle.timer_watcher_create(0.0, lambda *_: None).start()
    assert handle.reactor_run(flags=FLUX_REACTOR_ONCE) == 1
    never.stop()


def test_stopping_with_an_error_makes_the_run_return_minus_one(handle: ReactorHandle) -> None:
    handle.timer_watcher_create(0.0, lambda *_: handle.reactor_stop_error()).start()
    handle.reactor_incref()
    assert handle.reactor_run() == -1
    handle.reactor_decref()


def test_it_is_known_while_a_reactor_runs(handle: ReactorHandle) -> None:
    seen: list[bool] = []

    def look(*_: object) -> None:
        seen.extend((handle.in_reactor(), ReactorHandle.reactor_running()))

    handle.timer_watcher_create(0.0, look).start()
    handle.reactor_run()
    look()
    assert seen == [True, True, False, False]


def test_an_exception_set_in_a_callback_is_raised_once(handle: ReactorHandle) -> None:
    handle.timer_watcher_create(
        0.0, lambda *_: ReactorHandle.set_exception(KeyError("lost"))
    ).start()
    with pytest.raises(KeyError, match="lost"):
        handle.reactor_run()
    assert handle.reactor_run() == 0
