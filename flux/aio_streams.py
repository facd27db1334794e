"""What comes in many messages, as async iterators: the responses of a streaming RPC, events."""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, Protocol, Self

from flux.wire.errors import error_of
from flux.wire.message import NODEID_ANY, Message

if TYPE_CHECKING:
    from types import TracebackType

MessageCallback = Callable[[Message], None]


class StreamOwner(Protocol):
    """What streams and subscriptions need of the handle that they came from."""

    closed: bool

    def start_stream(self, msg: Message, callback: MessageCallback) -> int:
        """Send a request, have ``callback`` called with each response; return its match tag."""

    def forget(self, matchtag: int) -> None:
        """Drop interest in the responses to ``matchtag``."""

    def send(self, topic: str, payload: object = None, *, nodeid: int = NODEID_ANY) -> None:
        """Send a request that gets no response."""

    def off_event(self, prefix: str, callback: MessageCallback) -> None:
        """Have no more events given to ``callback``."""


class Stream:
    """A streaming RPC: iterate over its responses' payloads; leaving the block before the end
    cancels it.
    """

    def __init__(self, handle: StreamOwner, msg: Message, cancel: str | None) -> None:
        self._handle = handle
        self._msg = msg
        self._cancel = cancel
        self._queue: deque[Message] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._ended = False
        self.matchtag = 0

    async def __aenter__(self) -> Self:
        self.matchtag = self._handle.start_stream(self._msg, self._push)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Cancel the stream if it still runs."""
        if not self._ended:
            self._ended = True
            self._handle.forget(self.matchtag)
            if self._cancel and not self._handle.closed:
                self._handle.send(
                    self._cancel, {"matchtag": self.matchtag}, nodeid=self._msg.nodeid
                )

    def _push(self, msg: Message) -> None:
        self._queue.append(msg)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        msg = await self.next_message()
        if msg is None:
            raise StopAsyncIteration
        try:
            return msg.json()
        except ValueError:
            raise OSError(errno.EPROTO, f"{self._msg.topic}: a response is no JSON") from None

    async def next_message(self) -> Message | None:
        """Return the next response, None after the last; raises OSError when the stream fails."""
        while not self._queue:
            if self._ended:
                return None
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        msg = self._queue.popleft()
        if msg.errnum == 0:
            return msg
        self._ended = True
        if msg.errnum == errno.ENODATA:
            return None
        raise error_of(msg)


class Subscription:
    """Events whose topic starts with a prefix, as an async iterator of messages."""

    def __init__(self, handle: StreamOwner, prefix: str) -> None:
        self._handle = handle
        self.prefix = prefix
        self._queue: asyncio.Queue[Message | None] = asyncio.Queue()

    def push(self, msg: Message | None) -> None:
        """Add an event; None ends the iteration."""
        self._queue.put_nowait(msg)

    def __aiter__(self) -> AsyncIterator[Message]:
        return self

    async def __anext__(self) -> Message:
        msg = await self._queue.get()
        if msg is None:
            raise StopAsyncIteration
        return msg

    async def close(self) -> None:
        """Stop receiving."""
        self._handle.off_event(self.prefix, self.push)
        self.push(None)
