"""The broker's end of the shell process that jobs share."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from broker.services.shell_host.sign_of_life import SignOfLife
from broker.shell.linesocket import LineSocket
from broker.shell.shared_protocol import NO_JOB, joined, split
from broker.subprocess.descendants import STOPPED, process_state

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from broker.services.shell_host.link import ShellLink

MOST_JOBS: Final = 128
"""Jobs that run in one shared shell at the same time: each needs a few descriptors of its 1,024."""

MOST_SHELLS: Final = 4
"""Shared shells that run beside each other, not more than there are processors: what starts a task
waits until its program has begun, and others need not wait with it."""


class SharedShell:
    """A process that runs the jobs of ``links``.

    ``host`` is the process it was asked of, ``pid`` its own once it has said hello. ``on_gone`` is
    called when it has closed its socket. ``given_up`` tells that it was killed as it did not
    answer.
    """

    def __init__(
        self, sock: socket.socket, host: int, on_gone: Callable[[SharedShell], None]
    ) -> None:
        self.host = host
        self.pid = 0
        self.links: dict[int, ShellLink] = {}
        self.retired = False
        self.given_up = False
        self._life = SignOfLife()
        self._sock: socket.socket | None = sock
        self._lines = LineSocket(sock.fileno())
        self._lines.on_line = self._said
        self._lines.on_close = lambda: on_gone(self)
        self._lines.attach(asyncio.get_running_loop())

    @property
    def closed(self) -> bool:
        """Whether it has ended, or is about to."""
        return self._sock is None

    @property
    def has_room(self) -> bool:
        """Whether another job may be given to it."""
        return not self.retired and not self.closed and len(self.links) < MOST_JOBS

    def add(self, link: ShellLink) -> None:
        """Run one more job."""
        self.links[link.id] = link

    def send(self, jobid: int, line: bytes) -> None:
        """Send a message about a job."""
        if not self.closed:
            self._lines.send(joined(jobid, line))

    def remove(self, jobid: int) -> None:
        """A job has ended, or nobody cares for it any more."""
        self.links.pop(jobid, None)
        if self.retired and not self.links:
            self.close()

    def retire(self) -> None:
        """Give it no more jobs; it ends with the last that it has."""
        self.retired = True
        if not self.links:
            self.close()

    def close(self) -> None:
        """Close the socket, which ends the process and all its jobs."""
        if self._sock is not None:
            self._lines.detach()
            self._sock.close()
            self._sock = None

    def _said(self, line: bytes) -> None:
        self._life.answered()
        jobid, rest = split(line)
        link = self.links.get(jobid)
        if link is not None:
            link.on_line(link, rest)

    # A process that does not answer

    def why_given_up(self) -> str:
        """Ask for a sign of life, and return what is wrong if the last question was not answered;
        to be called regularly.
        """
        if self._sock is None or not self.pid:
            return ""
        if self._life.asked:
            return self._life.look(stopped=process_state(self.pid) in STOPPED)
        self._life.ask()
        self.send(NO_JOB, b"")
        return ""


def least_busy(shells: Sequence[SharedShell], most: int) -> SharedShell | None:
    """Return the shell to give a job to: the one with the fewest, None for a new one while there
    are not ``most`` and each has something to do, or if none has room.
    """
    shell = min(
        (shell for shell in shells if shell.has_room),
        key=lambda shell: len(shell.links),
        default=None,
    )
    if shell is not None and shell.links and len(shells) < most:
        return None
    return shell
