"""The requests of one connection that wait for their answers, and what they hold of their user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flux.wire.message import NORESPONSE

if TYPE_CHECKING:
    from broker.services.connector_local.limits import Share
    from flux.wire.message import Message


class Unanswered:
    """Counts a guest's requests from their sending to their last response.

    Two requests may have the same match tag, so each tag has a list of sizes in bytes.
    """

    def __init__(self, share: Share) -> None:
        self._share = share
        self._sizes: dict[int, list[int]] = {}
        self._count = 0

    def admit(self, msg: Message) -> bool:
        """Count a request until it is answered; returns False if it is one too many."""
        if msg.flags & NORESPONSE:
            return True
        share, limits = self._share, self._share.limits
        size = len(msg.payload or b"")
        if limits.pending is not None and self._count >= limits.pending:
            return False
        if limits.user_pending is not None and share.pending + size > limits.user_pending:
            return False
        self._sizes.setdefault(msg.aux2, []).append(size)
        self._count += 1
        share.pending += size
        return True

    def answered(self, msg: Message) -> None:
        """Forget the request that a response ends: those of a stream end with an error number."""
        if msg.streaming and not msg.aux1:
            return
        sizes = self._sizes.get(msg.aux2)
        if sizes:
            self._share.pending -= sizes.pop()
            self._count -= 1
            if not sizes:
                del self._sizes[msg.aux2]

    def clear(self) -> None:
        """Forget everything."""
        self._share.pending -= sum(map(sum, self._sizes.values()))
        self._sizes.clear()
        self._count = 0
