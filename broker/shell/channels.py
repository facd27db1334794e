"""Channels of a task: its output streams and what plugins add, for one reader each
(flux_shell_task_channel_subscribe(3)).
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.shell.loop import Loop

READ_SIZE: Final = 65536
LOWEST: Final = 10
"""Descriptors of channels in a task begin here: those below are for streams and PMI, and what is
duplicated to one of them must not be overwritten on the way.
"""


class Channel:
    """This shell's end of a channel, whose descriptor is ``fd``.

    What the task has written waits in a buffer until it is taken, ``read`` or by line; ``eof`` is
    true once the task has closed its end. A ``terminal`` stays open after that: to close it is to
    hang up, which kills a task that is about to end. ``sink`` passes bytes on to where the stream
    would have gone without a subscriber.
    """

    def __init__(
        self,
        name: str,
        fd: int,
        *,
        theirs: int = -1,
        sink: Callable[[bytes], None] | None = None,
        terminal: bool = False,
    ) -> None:
        self.name = name
        self.fd = fd
        self.theirs = theirs
        self.sink = sink
        self._terminal = terminal
        self.eof = False
        self.on_end: Callable[[], None] = lambda: None
        self._subscriber: Callable[[], None] | None = None
        self._buffer = bytearray()
        self._watched: Loop | None = None

    @property
    def taken(self) -> bool:
        """Whether somebody has subscribed."""
        return self._subscriber is not None

    def subscribe(self, subscriber: Callable[[], None]) -> None:
        """Have ``subscriber`` called when there is something to read, and at the end.

        Raises OSError(EEXIST) if the channel has a subscriber.
        """
        if self._subscriber is not None:
            raise OSError(errno.EEXIST, f"channel {self.name} has a subscriber")
        self._subscriber = subscriber

    def watch(self, loop: Loop) -> None:
        """Read for the subscriber on ``loop`` from now on."""
        os.set_blocking(self.fd, False)
        self._watched = loop
        loop.add_reader(self.fd, self._readable)

    def _readable(self) -> None:
        try:
            data = os.read(self.fd, READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._buffer += data
        else:
            self.eof = True
        if self._subscriber is not None:
            self._subscriber()
        if self.eof:
            self.ended()
            self.on_end()

    def read(self, size: int = -1) -> bytes:
        """Take up to ``size`` bytes, all without it; none if there are none."""
        end = len(self._buffer) if size < 0 else size
        data = bytes(self._buffer[:end])
        del self._buffer[:end]
        return data

    def getline(self) -> bytes:
        """Take a line with its newline, at the end of the stream also one without; nothing if no
        line is complete.
        """
        end = self._buffer.find(b"\n") + 1
        return self.read(end) if end or not self.eof else self.read()

    def write(self, data: bytes) -> None:
        """Write to the task, waiting until it has taken everything; raises OSError(EPIPE) if it has
        closed its end, or EBADF if the channel is one that is only read.
        """
        if self.sink is not None:
            raise OSError(errno.EBADF, f"channel {self.name} is for reading")
        os.set_blocking(self.fd, True)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self.fd, view) :]
        finally:
            os.set_blocking(self.fd, False)

    def ended(self) -> None:
        """There is nothing more to read."""
        if not self._terminal:
            self.close()
        else:
            self._unwatch()

    def _unwatch(self) -> None:
        if self._watched is not None:
            self._watched.remove_reader(self.fd)
            self._watched = None

    def close(self) -> None:
        """Close this end."""
        self._unwatch()
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def handed_over(self) -> None:
        """The task has its end: close the one here."""
        if self.theirs >= 0:
            os.close(self.theirs)
            self.theirs = -1


def socket_channel(name: str) -> Channel:
    """Return a channel both ends of which can be read and written."""
    ours, theirs = socket.socketpair()
    theirs_fd = fcntl.fcntl(theirs.fileno(), fcntl.F_DUPFD_CLOEXEC, LOWEST)
    theirs.close()
    return Channel(name, ours.detach(), theirs=theirs_fd)
