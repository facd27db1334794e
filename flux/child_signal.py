"""Signals for the children of an event loop."""

from __future__ import annotations

import contextlib
import os
from typing import Protocol


class SignalledChild(Protocol):
    """A child process as asyncio has it; ``returncode`` is None until its end is known."""

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None: ...


def signal_child(child: SignalledChild, number: int) -> None:
    """Send a signal to a child that has not ended.

    Not by the methods that asyncio's processes have for it: they look for the child's end first,
    and one that has just ended is then reaped by them. Whoever waits for it is told that it exited
    with 255, since its status is gone.
    """
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, number)
