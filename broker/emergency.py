"""The end in bounded time of a broker that has lost what it lives by: ``flux start``, or its parent
in the tree.

``flux start`` holds the write end of a pipe, the *lifeline*, for each broker that it started; its
read end ends with it, however it ended. Two threads see to it that a hung event loop makes no
difference: one reads the lifeline, one keeps the deadline.
"""

from __future__ import annotations

import os
import stat
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

LIFELINE = "FLUX_START_LIFELINE"
"""Environment variable with the descriptor of the lifeline's read end; it is not passed on."""
DEADLINE = 1.7
"""Seconds between the loss and the end of the process, orderly or not."""

STATE_LIMITS = {
    "join": ("shutdown", 0.0),
    "init": ("shutdown", 0.0),
    "quorum": ("shutdown", 0.0),
    "run": ("shutdown", 0.0),
    "cleanup": ("cleanup-fail", 0.4),
    "shutdown": ("children-timeout", 0.3),
    "finalize": ("rc3-fail", 0.8),
}
"""What ends each state of a broker in an emergency, if it does not end by itself, and after how
many seconds."""
FOLLOWERS_WAIT = 0.5
"""Seconds that a broker whose lifeline was cut gives rank 0 to end the instance in order."""

HURRIED_KILL_DELAY = 0.2
"""Seconds between SIGTERM and SIGKILL for the initial program."""
HURRIED_UNLOAD = 0.25
"""Seconds that each module gets to stop."""
HURRIED_LINGER = 50
"""Milliseconds that messages get to leave."""


def take_lifeline() -> int | None:
    """Return the descriptor of the lifeline and remove it from the environment; None if there is
    none, or it was closed on the way.
    """
    text = os.environ.pop(LIFELINE, "")
    try:
        fd = int(text)
        if not stat.S_ISFIFO(os.fstat(fd).st_mode):
            return None
        os.set_inheritable(fd, False)
    except (ValueError, OverflowError, OSError):
        return None
    return fd


class Emergency:
    """Waits for the loss of the lifeline and ends the process at the deadline.

    ``finish`` is called in a thread when the deadline has passed; it must end the process. ``cut``
    is called on the loop when the lifeline has ended.
    """

    def __init__(
        self, lifeline: int | None, finish: Callable[[], None], deadline: float = DEADLINE
    ) -> None:
        self.begun = False
        self._lifeline = lifeline
        self._finish = finish
        self._deadline = deadline
        self._over = threading.Event()
        self._lock = threading.Lock()

    def watch(self, loop: asyncio.AbstractEventLoop, cut: Callable[[], None]) -> None:
        """Begin to watch the lifeline."""
        if self._lifeline is not None:
            self._thread(self._watch, loop, cut)

    def _thread(self, target: Callable[..., None], *args: object) -> None:
        threading.Thread(target=target, args=args, name=target.__name__, daemon=True).start()

    def _watch(self, loop: asyncio.AbstractEventLoop, cut: Callable[[], None]) -> None:
        assert self._lifeline is not None
        while os.read(self._lifeline, 1):
            continue
        if self._over.is_set():
            return
        self.begin()
        try:
            loop.call_soon_threadsafe(cut)
        except RuntimeError:  # the loop has ended: so does the process
            return

    def begin(self) -> None:
        """Let the time run; repeated calls change nothing."""
        with self._lock:
            if self.begun:
                return
            self.begun = True
        self._thread(self._wait)

    def _wait(self) -> None:
        if not self._over.wait(self._deadline):
            self._finish()

    def finish(self) -> None:
        """End the process now, and with it what it started."""
        self._finish()

    def over(self) -> None:
        """The process ends by itself."""
        self._over.set()
