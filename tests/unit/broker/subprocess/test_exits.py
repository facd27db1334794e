"""Waiting for a child's end."""

from __future__ import annotations

import os
import signal

from broker.subprocess.exits import has_exited
from broker.subprocess.launch import Command, launch


def sleeper() -> int:
    return launch(Command(["sleep", "100"], dict(os.environ)))


async def test_a_child_that_runs_on() -> None:
    pid = sleeper()
    try:
        assert not await has_exited(pid, 0.01)
    finally:
        os.kill(pid, signal.SIGKILL)
        assert await has_exited(pid, 60)
        assert os.waitpid(pid, 0)[1] == signal.SIGKILL  # its status was left for us


async def test_a_child_that_has_ended_and_one_that_is_gone() -> None:
    pid = launch(Command(["true"], dict(os.environ)))
    assert await has_exited(pid, 60)
    assert await has_exited(pid, 60)
    os.waitpid(pid, 0)
    assert await has_exited(pid, 60)
