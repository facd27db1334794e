"""A signal to a child leaves its status to whoever waits for it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from dataclasses import dataclass

from flux.child_signal import signal_child


@dataclass
class Known:
    """A child whose end has not been noticed, or has been."""

    pid: int
    returncode: int | None = None


def test_the_status_of_a_child_that_has_just_ended_is_left() -> None:
    child = subprocess.Popen(["sleep", "60"])
    with child:
        signal_child(Known(child.pid), signal.SIGHUP)
        # It has ended, and nobody has waited for it.
        assert os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT) is not None
        signal_child(Known(child.pid), signal.SIGCONT)
        assert os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1]) == -signal.SIGHUP
        child.returncode = -signal.SIGHUP
        signal_child(Known(child.pid), signal.SIGCONT)  # whose number may be another's now


def test_a_child_whose_end_is_known_is_not_signalled() -> None:
    signal_child(Known(os.getpid(), 0), signal.SIGKILL)


async def test_a_child_of_asyncio_ends_with_the_signal() -> None:
    child = await asyncio.create_subprocess_exec("sleep", "60")
    signal_child(child, signal.SIGHUP)
    signal_child(child, signal.SIGCONT)
    assert await child.wait() == -signal.SIGHUP
    signal_child(child, signal.SIGKILL)
