"""Remote procedure calls of the blocking handle (flux_rpc(3))."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from flux.constants import FLUX_RPC_NORESPONSE, FLUX_RPC_STREAMING
from flux.future import Future
from flux.wire.message import (
    NODEID_ANY,
    NODEID_UPSTREAM,
    NORESPONSE,
    STREAMING,
    UPSTREAM,
    Message,
    ended,
    request,
)
from flux.wire.text import Text, as_integer, as_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from flux.core.interface import Requester


class RPC(Future):
    """A request that has been sent, and its response or stream of responses.

    ``payload`` is None, text, the bytes of text, or a JSON value; `flux.wire.message.Raw` bytes are
    sent as they are. ``nodeid`` is a rank, FLUX_NODEID_ANY or FLUX_NODEID_UPSTREAM. ``flags`` may
    hold FLUX_RPC_NORESPONSE and FLUX_RPC_STREAMING. A streaming RPC is an iterator of what it is
    answered, blocking or, by ``async for``, not. Raises OSError(EINVAL) for no topic, a node that
    cannot be and a payload that is not JSON.
    """

    def __init__(
        self,
        flux_handle: Requester,
        topic: Text,
        payload: object = None,
        nodeid: int = NODEID_ANY,
        flags: int = 0,
    ) -> None:
        super().__init__(flux_handle)
        name = as_text(topic, "the topic")
        if not name:
            raise OSError(errno.EINVAL, "an RPC needs a topic")
        self.topic = name
        as_integer(nodeid, "nodeid")
        as_integer(flags, "flags")
        wire_flags = (NORESPONSE if flags & FLUX_RPC_NORESPONSE else 0) | (
            STREAMING if flags & FLUX_RPC_STREAMING else 0
        )
        if nodeid == NODEID_UPSTREAM:
            nodeid, wire_flags = flux_handle.get_rank(), wire_flags | UPSTREAM
        self.nodeid = nodeid
        self.streaming = bool(wire_flags & STREAMING)
        msg = request(name, ended(payload), nodeid=nodeid, flags=wire_flags)
        self.matchtag = 0 if wire_flags & NORESPONSE else flux_handle.new_matchtag(self)
        msg.aux2 = self.matchtag
        try:
            flux_handle.send_wire(msg)
        except OSError:
            flux_handle.free_matchtag(self.matchtag)
            raise

    def wait_for(self, timeout: float = -1.0) -> Self:
        """Wait for a response as every future does; raises OSError(EINVAL) if none was asked
        for.
        """
        if not self.matchtag and not self._results:
            raise OSError(errno.EINVAL, f"{self.topic} was sent for no response")
        return super().wait_for(timeout)

    def _title(self) -> str:
        return f"{type(self).__name__} {self.topic}"

    def fulfill(self, result: object = None) -> None:
        """Take a response of this RPC."""
        last = isinstance(result, Message) and (result.aux1 != 0 or not self.streaming)
        if last:
            self._end()
        super().fulfill(result)
        self._ended = self._ended or last

    def _end(self) -> None:
        """Take no more responses."""
        if self.flux_handle is not None:
            self.flux_handle.free_matchtag(self.matchtag)

    def member(self, name: str) -> Any:
        """Wait for the answer and return what it has under ``name``; raises OSError as `get` does,
        EPROTO if there is no such thing.
        """
        answer = self.get()
        if not isinstance(answer, dict) or name not in answer:
            raise OSError(errno.EPROTO, f"malformed answer to {self.topic}: no {name} is in it")
        return answer[name]

    def __iter__(self) -> Iterator[Any]:
        """Yield one answer after the other, to the end of the stream; raises OSError if that is an
        error.
        """
        while True:
            try:
                answer = self.get()
            except OSError as exc:
                if exc.errno == errno.ENODATA:
                    return
                raise
            yield answer
            if self._ended and len(self._results) == 1:
                return
            self.reset()

    def cancel(self) -> None:
        """Give the RPC up; a service that streams is not told (it has a topic of its own for
        that).
        """
        super().cancel()
        self._end()
