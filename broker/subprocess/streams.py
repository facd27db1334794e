"""The streams between the broker and a child process, on the event loop: what the child writes, by
lines or as it comes, and what it is to read.
"""

from __future__ import annotations

import errno
import os
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping

READ_SIZE: Final = 65536
LINE_LIMIT: Final = 65536
"""Bytes of a line without end that are kept before they are passed on."""
INPUT_LIMIT: Final = 16 * 1024 * 1024
"""Bytes of input that wait for a process to read them."""
TAKEN_PARTS: Final = 8
"""Who feeds a process is told when it has taken another part of so many of the limit."""
CREDIT_OPTION: Final = "stdin_CREDIT"
"""The option of a command whose client wants to be told of what is read; an option and no member of
the request, which other brokers would not know.
"""
STANDARD: Final = ("stdin", "stdout", "stderr")
CHANNELS_MAX: Final = 64
"""Channels that one process may have beside its standard streams."""


@dataclass(frozen=True)
class StreamOptions:
    """How streams are treated: ``unbuffered`` ones are passed on as they are read instead of by
    lines, ``limits`` are bytes that may wait, see `LINE_LIMIT` and `INPUT_LIMIT`. With ``credit``
    who feeds stdin is told of what has been read.
    """

    unbuffered: frozenset[str] = frozenset()
    limits: Mapping[str, int] = field(default_factory=dict)
    credit: bool = False

    @classmethod
    def of(cls, opts: Mapping[str, str]) -> StreamOptions:
        """Return what the options of a remote command say: ``NAME_LINE_BUFFER`` and
        `CREDIT_OPTION` true or false, ``NAME_BUFSIZE`` a number of bytes. Others are not about
        streams.

        Raises OSError(EINVAL) with a sentence for any other value.
        """
        unbuffered: set[str] = set()
        limits: dict[str, int] = {}
        for option, value in opts.items():
            if option.endswith("_LINE_BUFFER") or option == CREDIT_OPTION:
                if value.lower() not in ("true", "false"):
                    raise OSError(errno.EINVAL, f"{option[:100]} is true or false")
                if option != CREDIT_OPTION and value.lower() == "false":
                    unbuffered.add(option.removesuffix("_LINE_BUFFER"))
            elif option.endswith("_BUFSIZE"):
                if not (value.isascii() and value.isdecimal() and 0 < len(value) < 10):
                    raise OSError(errno.EINVAL, f"{option[:100]} is a number of bytes")
                limits[option.removesuffix("_BUFSIZE")] = min(max(1, int(value)), INPUT_LIMIT)
        credit = opts.get(CREDIT_OPTION, "").lower() == "true"
        return cls(frozenset(unbuffered), limits, credit)


class OutputStream:
    """What a process writes: ``emit`` is called with (data, eof), ``ended`` once after the end."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        fd: int,
        emit: Callable[[bytes, bool], None],
        ended: Callable[[], None],
        *,
        lines: bool = True,
        limit: int = LINE_LIMIT,
    ) -> None:
        self._loop = loop
        self._fd = fd
        self._emit = emit
        self._ended = ended
        self._lines = lines
        self._limit = limit
        self._partial = bytearray()
        os.set_blocking(fd, False)
        loop.add_reader(fd, self._readable)

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, READ_SIZE)
        except BlockingIOError:
            return
        except OSError:  # the other end of a socket has gone with input of ours unread
            data = b""
        if not data:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            if self._partial:
                self._emit(bytes(self._partial), False)
            self._emit(b"", True)
            self._ended()
            return
        if not self._lines:
            self._emit(data, False)
            return
        partial = self._partial
        partial += data
        end = partial.rfind(b"\n") + 1
        if not end and len(partial) >= self._limit:
            end = len(partial)
        if end:
            ready = bytes(partial[:end])
            del partial[:end]
            self._emit(ready, False)


class InputStream:
    """What a process reads: a pipe, or our end of a channel's sockets."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        fd: int,
        limit: int = INPUT_LIMIT,
        *,
        channel: bool = False,
        on_taken: Callable[[int], None] | None = None,
    ) -> None:
        """``on_taken`` is told how many bytes have left the ``limit`` bytes that may wait here,
        several at a time.
        """
        self._loop = loop
        self._fd = fd
        self._limit = limit
        self._channel = channel
        self._on_taken = on_taken
        self._taken = 0
        self._pending = bytearray()
        self._eof = False
        os.set_blocking(fd, False)

    def write(self, data: bytes, eof: bool) -> None:
        """Send ``data``, then the end with ``eof``; raises OSError(ENOSPC) if the process does not
        read.
        """
        if self._fd < 0 or self._eof:
            self._count(len(data))
            return
        if len(self._pending) + len(data) > self._limit:
            raise OSError(errno.ENOSPC, "the process does not read its input")
        self._pending += data
        self._eof = eof
        self._flush()

    def _flush(self) -> None:
        try:
            while self._pending:
                written = os.write(self._fd, self._pending[:READ_SIZE])
                del self._pending[:written]
                self._count(written)
        except BlockingIOError:
            self._loop.add_writer(self._fd, self._flush)
            return
        except OSError:
            self._eof = True
            self._count(len(self._pending))
        self._loop.remove_writer(self._fd)
        if self._eof:
            self.close()

    def _count(self, size: int) -> None:
        """Count what has left; who asked is told each time that it is a part of the limit."""
        self._taken += size
        if self._on_taken is not None and self._taken > self._limit // TAKEN_PARTS:
            taken, self._taken = self._taken, 0
            self._on_taken(taken)

    def close(self) -> None:
        """Send the end now; what waits is not sent any more."""
        if self._fd >= 0:
            self._loop.remove_writer(self._fd)
            if self._channel:
                # The other descriptor of this socket stays open to read by.
                with socket.socket(fileno=self._fd) as ours, suppress(OSError):
                    ours.shutdown(socket.SHUT_WR)
            else:
                os.close(self._fd)
            self._fd = -1
            self._pending.clear()
