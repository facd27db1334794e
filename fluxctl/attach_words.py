"""What attaching says in one of two spellings: flux-core 0.29 and today's differ in words, and in
how often an error of the job shell is told.

A shell logs to the job's output, and copies its errors to its own stderr, which the eventlog of the
execution has. 0.29 shows both. Of an error that the output has, the copy tells nothing new; but a
shell that fails before it has an output has the copy only, so that copies wait until the output has
ended.
"""

from __future__ import annotations

import signal
from collections import Counter
from typing import TYPE_CHECKING

from flux.job import io
from flux.waitstatus import SIGNALED, signal_of

if TYPE_CHECKING:
    from flux.job.event import EventLogEvent


class ShellCopies:
    """Tells which copies of errors are told by the output already."""

    def __init__(self) -> None:
        self._told: Counter[str] = Counter()
        self._plain: set[str] = set()
        self._held: list[EventLogEvent] = []

    def logged(self, event: EventLogEvent) -> None:
        """Take a log event of the output."""
        text = io.copy_of_log(event.context)
        self._told[text] += 1
        self._plain.add(io.plain_part(text))

    def hold(self, event: EventLogEvent) -> bool:
        """Take a log event of the execution; returns whether it is held back, as a copy is."""
        held = io.is_copy_of_log(event.context)
        if held:
            self._held.append(event)
        return held

    def release(self) -> list[EventLogEvent]:
        """Return the copies of what the output has not, which has ended."""
        held, self._held = self._held, []
        return [event for event in held if not self._is_told(event)]

    def _is_told(self, event: EventLogEvent) -> bool:
        text = io.text_of_copy(event.context)
        if io.is_plain_copy(text):  # told once more, with its level
            return text in self._plain
        told = self._told[text] > 0
        self._told[text] -= told
        return told


def signal_name(signum: int) -> str:
    """Return what strsignal(3) says, of numbers without a signal too."""
    try:
        return signal.strsignal(signum) or f"Unknown signal {signum}"
    except ValueError:
        return f"Unknown signal {signum}"


def verdict(status: int, code: int, *, todays: bool) -> str:
    """Return the sentence about a job that failed with a wait status and an exit code.

    A task that a signal ended has the shell exit with 128 and its number, which today's flux-core
    tells as the signal; a signal as status ended the shell.
    """
    signum = signal_of(status)
    if signum:
        return f"job shell {signal_name(signum)}"
    if todays and code > SIGNALED:
        return f"task(s) {signal_name(code - SIGNALED)}"
    return f"task(s) exited with exit code {code}"
