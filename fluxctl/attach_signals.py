"""What signals to a command that is attached to a job do: Ctrl+C and Ctrl+Z, and those that are
handed on.
"""

from __future__ import annotations

import contextlib
import math
import signal
import sys
import time
from typing import TYPE_CHECKING, Final

from flux.job.kill import cancel_async, kill_async
from flux.terminal_text import terminal_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from flux.core.handle import Flux
    from flux.core.watchers import SignalWatcher
    from flux.future import Future

PROGRAM: Final = "flux-job"
FORWARDED: Final = (
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGALRM,
)
_CONFIRM: Final = 2.0


def say(text: str) -> None:
    """Say something on standard error, after what has been printed."""
    sys.stdout.flush()
    sys.stderr.write(f"{PROGRAM}: {terminal_text(text)}\n")
    sys.stderr.flush()


class Interrupts:
    """Ctrl+C asks for another one within two seconds, which cancels the job; in that time Ctrl+Z
    calls ``detach``, which is to end the attachment. Later it takes two to suspend the command.

    The tasks are not told of the first Ctrl+C, so one pressed by mistake harms nothing.
    """

    def __init__(self, handle: Flux, jobid: int, detach: Callable[[], None]) -> None:
        self._handle = handle
        self._jobid = jobid
        self._detach = detach
        self._last = -math.inf
        self._int: SignalWatcher = handle.signal_watcher_create(signal.SIGINT, self._on_int)
        self._stop: SignalWatcher = handle.signal_watcher_create(signal.SIGTSTP, self._on_stop)

    def start(self) -> None:
        """Watch for signals."""
        self._int.start()

    def stop(self) -> None:
        """Give the signals back."""
        self._int.stop()
        self._stop.stop()

    def _in_time(self) -> bool:
        return time.monotonic() - self._last < _CONFIRM

    def _on_int(self, *_args: object) -> None:
        if self._in_time():
            cancel_async(self._handle, self._jobid, "interrupted by ctrl-C").then(_ignore)
            return
        self._last = time.monotonic()
        self._stop.start()
        say("one more ctrl-C within 2s to cancel or ctrl-Z to detach")

    def _on_stop(self, *_args: object) -> None:
        if self._in_time():
            say("detaching...")
            self._detach()
            return
        # The next one has its usual effect.
        self._stop.stop()
        say("one more ctrl-Z to suspend")


class SignalForwarder:
    """Signals that this command gets are the tasks': what ends a command ends the job that it
    stands for, not the look at it.
    """

    def __init__(self, handle: Flux, jobid: int) -> None:
        self._handle = handle
        self._jobid = jobid
        self._watchers: list[SignalWatcher] = [
            handle.signal_watcher_create(number, self._on_signal) for number in FORWARDED
        ]

    def start(self) -> None:
        """Watch for signals."""
        for watcher in self._watchers:
            watcher.start()

    def stop(self) -> None:
        """Give the signals back."""
        for watcher in self._watchers:
            watcher.stop()

    def send(self, number: int) -> None:
        """Send a signal to the tasks; says why if that is not possible."""
        kill_async(self._handle, self._jobid, number).then(_complain)

    def _on_signal(self, _handle: Flux, _watcher: SignalWatcher, number: int, _arg: object) -> None:
        self.send(number)


def _complain(future: Future) -> None:
    try:
        future.get()
    except OSError as error:
        say(f"kill: {error.strerror}")


def _ignore(future: Future) -> None:
    """The job may be over, or not running yet."""
    with contextlib.suppress(OSError):
        future.get()
