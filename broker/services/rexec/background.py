"""The processes of the service ``rexec``: who they belong to, and how they are found. No I/O."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broker.request import Request
    from broker.services.rexec.command import RemoteCommand
    from broker.subprocess.process import ChildProcess

KEPT_MAX: Final = 1 << 20
"""Bytes of each stream of a waitable process that are kept for who waits: the first ones."""
WAITABLE_MAX: Final = 10_000
"""Waitable processes that a broker has at a time, zombies among them."""


class RunningCommand(Struct, eq=False):
    """A process: the client that it runs for or that is attached, and the one that waits."""

    command: RemoteCommand
    process: ChildProcess
    client: Request | None
    streams: frozenset[str]
    waitable: bool
    background: bool
    waiter: Request | None = None
    status: int | None = None
    complete: bool = False
    kept: dict[str, bytearray] = field(default_factory=dict)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    @property
    def name(self) -> str:
        """What the command is called."""
        return os.path.basename(self.command.argv[0])

    def keep(self, stream: str, data: bytes) -> None:
        """Keep output for who waits, up to a bound."""
        kept = self.kept.setdefault(stream, bytearray())
        kept += data[: KEPT_MAX - len(kept)]


class RemoteTable:
    """All processes, those among them that have ended and are not waited for yet."""

    def __init__(self) -> None:
        self._processes: dict[RunningCommand, None] = {}

    def __iter__(self) -> Iterator[RunningCommand]:
        return iter(tuple(self._processes))

    def __len__(self) -> int:
        return len(self._processes)

    def check(self, label: str, *, waitable: bool) -> None:
        """Raise OSError if no such process can be added: EINVAL for a label that is taken, ENOSPC
        if too many are not waited for.
        """
        if label and any(remote.command.label == label for remote in self._processes):
            raise OSError(errno.EINVAL, "command label is not unique")
        if waitable and sum(one.waitable for one in self._processes) >= WAITABLE_MAX:
            raise OSError(errno.ENOSPC, f"{WAITABLE_MAX} processes are not waited for yet")

    def add(self, remote: RunningCommand) -> None:
        """Add a process that has started."""
        self._processes[remote] = None

    def remove(self, remote: RunningCommand) -> None:
        """Forget a process."""
        self._processes.pop(remote, None)

    def find(self, pid: int, label: str, number: int) -> RunningCommand:
        """Return the process with an id, or with a label if ``pid`` is -1; raises OSError with the
        errno ``number`` if there is none. Of two with one id the one that runs is meant.
        """
        by_label = pid == -1 and bool(label)
        found = [
            remote
            for remote in self._processes
            if (remote.command.label == label if by_label else remote.pid == pid)
        ]
        if not found:
            what = f"label {label}" if by_label else f"pid {pid}"
            raise OSError(number, f"{what} does not belong to any subprocess")
        return found[-1]

    def started_by(self, sender: str, matchtag: int) -> RunningCommand | None:
        """Return the process of a client's request, None if it has ended."""
        for remote in self._processes:
            client = remote.client
            if client is not None and (client.sender, client.matchtag) == (sender, matchtag):
                return remote
        return None
