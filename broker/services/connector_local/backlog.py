"""The messages that wait for one client: a queue of encoded messages, whose bytes several queues
may share.

The transport is given pieces of at most `CHUNK` bytes, and the next one when it has passed on the
last: what waits, waits here, where it can be counted, and no client has a copy of its own. The
message that is being sent is not *behind*: an answer of any size reaches a client that reads.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from broker.services.connector_local.limits import Share

CHUNK = 1 << 18


class Backlog:
    """One client's queue; ``share`` is what all connections of its user hold."""

    def __init__(self, share: Share) -> None:
        self._share = share
        self._queue: deque[tuple[bytes, bool]] = deque()
        self._sending: memoryview | None = None
        self._frame: tuple[bytes, bool] | None = None
        self.events = 0
        self.answers = 0

    def __bool__(self) -> bool:
        return bool(self._queue) or self._sending is not None

    @property
    def behind(self) -> int:
        """Bytes that wait behind the message being sent."""
        return self.events + self.answers

    @property
    def size(self) -> int:
        """All bytes that wait."""
        return self.behind + (len(self._sending) if self._sending is not None else 0)

    def push(self, frame: bytes, pushed: bool) -> None:
        """Add an encoded message; ``pushed`` tells events and requests from answers."""
        self._share.hold(frame, pushed)
        self._queue.append((frame, pushed))
        if pushed:
            self.events += len(frame)
        else:
            self.answers += len(frame)

    def take(self) -> bytes | memoryview:
        """Remove and return the next bytes to send, at most `CHUNK` of them; empty if nothing
        waits.
        """
        if self._sending is not None and self._frame is not None:
            return self._piece(self._sending, self._frame)
        parts: list[bytes] = []
        size = 0
        queue = self._queue
        while queue and size + len(queue[0][0]) <= CHUNK:
            entry = self._pop()
            frame = entry[0]
            self._share.release(*entry)
            parts.append(frame)
            size += len(frame)
        if parts:
            return b"".join(parts) if len(parts) > 1 else parts[0]
        if not queue:
            return b""
        entry = self._pop()
        return self._piece(memoryview(entry[0]), entry)

    def _pop(self) -> tuple[bytes, bool]:
        entry = self._queue.popleft()
        frame, pushed = entry
        if pushed:
            self.events -= len(frame)
        else:
            self.answers -= len(frame)
        return entry

    def _piece(self, rest: memoryview, frame: tuple[bytes, bool]) -> memoryview:
        """Return the next part of ``rest``, what is still to be sent of a message."""
        if len(rest) > CHUNK:
            self._sending, self._frame = rest[CHUNK:], frame
        else:
            self._share.release(*frame)
            self._sending = self._frame = None
        return rest[:CHUNK]

    def clear(self) -> None:
        """Forget everything."""
        for frame, pushed in self._queue:
            self._share.release(frame, pushed)
        if self._frame is not None:
            self._share.release(*self._frame)
        self._queue.clear()
        self._sending = self._frame = None
        self.events = self.answers = 0
