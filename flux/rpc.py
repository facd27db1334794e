"""Remote procedure calls of the blocking handle (flux_rpc(3))."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from flux.constants import FLUX_RPC_NORESPONSE, FLUX_RPC_STREAMING
from flux.future import Future
from flux.wire.message import (
    NODEID_ANY,
    NODEID_UPSTREAM,
    NORESPONSE,
    STREAMING,
    UPSTREAM,
    Message,
    request,
)

if TYPE_CHECKING:
    from flux.core.interface import Requester


class RPC(Future):
    """A request that has been sent, and its response or stream of responses.

    ``payload`` is None, text or a JSON value; raw bytes are sent as they are. ``nodeid`` is a rank,
    FLUX_NODEID_ANY or FLUX_NODEID_UPSTREAM. ``flags`` may hold FLUX_RPC_NORESPONSE and
    FLUX_RPC_STREAMING.
    """

    def __init__(
        self,
        flux_handle: Requester,
        topic: str | bytes,
        payload: object = None,
        nodeid: int = NODEID_ANY,
        flags: int = 0,
    ) -> None:
        super().__init__(flux_handle)
        name = topic.decode() if isinstance(topic, bytes) else topic
        if not isinstance(name, str) or not name:
            raise OSError(errno.EINVAL, "an RPC needs a topic")
        self.topic = name
        wire_flags = (NORESPONSE if flags & FLUX_RPC_NORESPONSE else 0) | (
            STREAMING if flags & FLUX_RPC_STREAMING else 0
        )
        if nodeid == NODEID_UPSTREAM:
            nodeid, wire_flags = flux_handle.get_rank(), wire_flags | UPSTREAM
        self.nodeid = nodeid
        self.streaming = bool(wire_flags & STREAMING)
        msg = request(name, payload, nodeid=nodeid, flags=wire_flags)
        self.matchtag = 0 if wire_flags & NORESPONSE else flux_handle.new_matchtag(self)
        msg.aux2 = self.matchtag
        flux_handle.send_wire(msg)

    def fulfill(self, msg: Message) -> None:
        """Take a response of this RPC."""
        if msg.aux1 or not self.streaming:
            assert self.flux_handle is not None
            self.flux_handle.free_matchtag(self.matchtag)
        super().fulfill(msg)

    def cancel(self) -> None:
        """Give the RPC up; a service that streams is not told (it has a topic of its own for
        that).
        """
        super().cancel()
        assert self.flux_handle is not None
        self.flux_handle.free_matchtag(self.matchtag)
