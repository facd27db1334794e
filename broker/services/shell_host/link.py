"""A job's shell as its broker sees it: a process of its own, or one that jobs share."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct, field

from broker.shell import protocol
from broker.shell.linesocket import LineSocket

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from broker.service import Request
    from broker.services.shell_host.processes import JobProcesses
    from flux.wire.message import Message

    #: A request to a job's service and what sends its responses.
    Asked = tuple[Message, Callable[[Message], None]]
    OnLine = Callable[["ShellLink", bytes], None]
    OnGone = Callable[["ShellLink"], None]


class Sharing(Protocol):
    """A process that runs several jobs, as far as one of them knows it."""

    host: int
    pid: int

    @property
    def closed(self) -> bool:
        """Whether it has ended, or is about to."""

    def add(self, link: ShellLink, /) -> None:
        """Run one more job."""

    def send(self, jobid: int, line: bytes, /) -> None:
        """Send a message about a job."""

    def remove(self, jobid: int, /) -> None:
        """A job has ended, or nobody cares for it any more."""


class ShellLink(Struct, eq=False):
    """A job's shell.

    ``start`` is the request that what the shell says is streamed to, ``requests`` are those to the
    job's service that wait for the shell's answers, by tag. ``pid`` is 0 until the shell has said
    hello; a shell that is lost before has run nothing, so its job may be given to another one, with
    the lines of ``unheard``. ``host`` is the process that was asked for the shell. ``leaving`` ends
    a link whose shell has ended and whose ``processes``, those that clients run in the job, have
    not.
    """

    id: int
    userid: int
    start: Request
    on_line: OnLine
    on_gone: OnGone
    service: str = ""
    leader: bool = False
    exited: bool = False
    leaving: Callable[[], None] | None = None
    processes: JobProcesses | None = None
    pid: int = 0
    host: int = 0
    may_restart: bool = True
    may_share: bool = False
    unheard: list[bytes] = field(default_factory=list)
    requests: dict[int, Asked] = field(default_factory=dict)
    _tag: int = 0
    _sock: socket.socket | None = None
    _lines: LineSocket | None = None
    _shared: Sharing | None = None

    @property
    def is_shared(self) -> bool:
        """Whether the process may run other jobs as well, and lives."""
        return self._shared is not None and not self._shared.closed

    def join(self, shared: Sharing) -> None:
        """Have a shared shell run the job, and send it what no shell has heard yet."""
        self.close()
        self._shared, self.host = shared, shared.host
        shared.add(self)
        for line in self.unheard:
            shared.send(self.id, line)

    def connect(self, sock: socket.socket, host: int) -> None:
        """Use ``sock``, the end of a socket to a shell that is asked of ``host``, and send what no
        shell has heard yet.
        """
        self.close()
        self._sock, self.host = sock, host
        self._lines = LineSocket(sock.fileno())
        self._lines.on_line = lambda line: self.on_line(self, line)
        self._lines.on_close = lambda: self.on_gone(self)
        self._lines.attach(asyncio.get_running_loop())
        for line in self.unheard:
            self._lines.send(line)

    def close(self) -> None:
        """Hear no more of the shell; one of its own finds its socket closed."""
        if self._shared is not None:
            self._shared.remove(self.id)
        if self._lines is not None:
            self._lines.detach()
        if self._sock is not None:
            self._sock.close()
        self._sock = self._lines = self._shared = None

    def send(self, line: bytes) -> None:
        """Send a message as it stands on the socket, without its newline."""
        if not self.pid:
            self.unheard.append(line)
        if self._shared is not None:
            self._shared.send(self.id, line)
        elif self._lines is not None:
            self._lines.send(line)

    def tell(self, message: protocol.ToShell) -> None:
        """Send a message."""
        self.send(protocol.encode(message))

    def heard(self, pid: int) -> None:
        """Take note that the shell ``pid`` has taken up the job."""
        self.pid = pid
        self.unheard.clear()
        if self._shared is not None:
            self._shared.pid = pid

    def next_tag(self) -> int:
        """Return a number for a request to the job's service."""
        self._tag += 1
        return self._tag
