"""Following a job through its eventlogs, from the first event to the last byte of output: decisions
only, no I/O.

A job has three eventlogs. Its own, ``eventlog``, exists from the start. The two in its guest
namespace come to be later, each announced by an event of another: the execution's once the job has
started, the output once a shell has begun. A job has been followed to its end when every eventlog
that was opened has ended.

`JobFollower` says which to open; `flux.job.follow_blocking` and `flux.job.follow_async` watch them.
Both hand on the same items: `Entries`, `Failed`, `LogEnded`, and `Ended` as the last one.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flux.job.event import EventLogEvent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAIN: Final = "eventlog"
EXEC: Final = "guest.exec.eventlog"
OUTPUT: Final = "guest.output"
INPUT: Final = "guest.input"

ANNOUNCED: Final[Mapping[tuple[str, str], str]] = {
    (MAIN, "start"): EXEC,
    (EXEC, "shell.init"): OUTPUT,
}
"""Which event of which eventlog tells that another one exists."""

NEVER_MADE: Final = frozenset((errno.ENOENT, errno.ENODATA))
"""Errors of a guest eventlog that a job which ended early never had."""


@dataclass(slots=True)
class Open:
    """Watch an eventlog."""

    path: str


@dataclass(slots=True)
class Close:
    """Watch an eventlog no longer; its watch still ends in its own time."""

    path: str


@dataclass(slots=True)
class Entries:
    """New entries of an eventlog, in order."""

    path: str
    entries: Sequence[EventLogEvent]


@dataclass(slots=True)
class Failed:
    """An eventlog could not be read (on): there is no such job, it is somebody else's, the
    connection was lost.
    """

    path: str
    error: OSError


@dataclass(slots=True)
class LogEnded:
    """Nothing more comes of an eventlog."""

    path: str


@dataclass(slots=True)
class Ended:
    """Nothing more comes of any."""


Step = Open | Close
Item = Entries | Failed | LogEnded | Ended


class JobFollower:
    """Which eventlogs of one job are open.

    ``announced`` says which event opens what. ``brief`` closes the execution's eventlog once the
    output is open: for those who follow many jobs and want no more of it.
    """

    def __init__(
        self, announced: Mapping[tuple[str, str], str] = ANNOUNCED, *, brief: bool = False
    ) -> None:
        self._announced = announced
        self._brief = brief
        self._opened: set[str] = set()
        self._open: set[str] = set()

    def open(self, path: str) -> list[Step]:
        """Return the step to open an eventlog, none if it was opened before."""
        if path in self._opened:
            return []
        self._opened.add(path)
        self._open.add(path)
        return [Open(path)]

    def take(self, path: str, entries: Sequence[EventLogEvent]) -> list[Step]:
        """Return what new entries of an eventlog lead to."""
        steps: list[Step] = []
        for event in entries:
            other = self._announced.get((path, event.name))
            if other is not None:
                opened = self.open(other)
                steps += opened
                if opened and self._brief and other == OUTPUT:
                    steps.append(Close(path))
        return steps

    def failure(self, path: str, error: OSError) -> Failed | None:
        """Return what to tell about an error of an eventlog; None for a guest eventlog that was
        never made.
        """
        return None if path != MAIN and error.errno in NEVER_MADE else Failed(path, error)

    def end(self, path: str) -> Ended | None:
        """Take the end of an eventlog; returns the end of everything if no other is open."""
        self._open.discard(path)
        return None if self._open else Ended()


def entries_of(text: object) -> list[EventLogEvent]:
    """Return the entries in what a watch was answered; lines that are not entries (RFC 18) are
    skipped.
    """
    entries = []
    for line in text.splitlines() if isinstance(text, str) else ():
        try:
            entries.append(EventLogEvent(line))
        except ValueError:
            continue
    return entries
