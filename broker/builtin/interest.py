"""Who wants the events of topics that cost too much to publish for nobody.

Each broker sees the subscriptions of its own clients. It tells rank 0 when the first of them wants
such a topic and when none does any more, with messages that go ahead of whatever that client sends
next; so a client that subscribes and then acts misses nothing.
"""

from __future__ import annotations

import contextlib
import errno
from typing import TYPE_CHECKING, Final

from broker.service import NO_REPLY, NoReply, Reply, Request, event, request
from flux.idset import IDset

if TYPE_CHECKING:
    from broker.context import Context
    from broker.request import StreamSet
    from broker.router import Router
    from flux.wire.message import Message

COSTLY: Final = frozenset(("job-state",))
"""Topics that are published only while somebody subscribes to them."""


class Interest:
    """The part of the event service that answers whether anybody wants a topic."""

    def __init__(self, ctx: Context, router: Router, streams: StreamSet) -> None:
        self._ctx = ctx
        self._router = router
        self._streams = streams
        self._ranks: dict[str, set[int]] = {topic: set() for topic in COSTLY}
        router.on_subscription = self._subscriptions_changed

    @request("interest", streaming=True)
    def interest(self, req: Request) -> NoReply:
        """Stream whether anybody subscribes to the topic {topic} as {wanted}, now and when that
        changes; only on rank 0, for topics that are published on demand.
        """
        topic = req.get("topic", str)
        if self._ctx.rank != 0:
            raise OSError(errno.EPROTO, "event.interest is answered by rank 0")
        if topic not in COSTLY:
            raise OSError(errno.EINVAL, f"{topic} is not published on demand")
        self._streams.add(req, topic)
        req.respond({"wanted": bool(self._ranks[topic])})
        return NO_REPLY

    @request("interest-cancel")
    def interest_cancel(self, req: Request) -> NoReply:
        """End the stream {matchtag}."""
        self._streams.cancel(req)
        return NO_REPLY

    @request("interest-of")
    def interest_of(self, req: Request) -> Reply:
        """A broker's clients subscribe to {topic}, or, without {wanted}, none of them any more."""
        topic, rank = req.get("topic", str), req.get("rank", int)
        if topic not in COSTLY or not 0 <= rank < self._ctx.size:
            raise OSError(errno.EINVAL, f"{topic} of rank {rank} is not published on demand")
        self._note(topic, rank, req.get("wanted", bool))
        return None

    @event("overlay.offline")
    def on_offline(self, ev: Message) -> None:
        """The clients of brokers that were lost want nothing."""
        if self._ctx.rank == 0:
            for rank in IDset(ev.json()["idset"]):
                for topic in COSTLY:
                    self._note(topic, rank, False)

    def _subscriptions_changed(self, prefix: str) -> None:
        for topic in COSTLY:
            if topic.startswith(prefix):
                wanted, rank = self._router.is_subscribed(topic), self._ctx.rank
                if rank == 0:
                    self._note(topic, 0, wanted)
                elif wanted != (rank in self._ranks[topic]):
                    self._keep(topic, rank, wanted)
                    payload = {"topic": topic, "rank": rank, "wanted": wanted}
                    with contextlib.suppress(OSError):  # the broker ends
                        self._ctx.handle.send("event.interest-of", payload, nodeid=0)

    def _keep(self, topic: str, rank: int, wanted: bool) -> None:
        ranks = self._ranks[topic]
        (ranks.add if wanted else ranks.discard)(rank)

    def _note(self, topic: str, rank: int, wanted: bool) -> None:
        before = bool(self._ranks[topic])
        self._keep(topic, rank, wanted)
        after = bool(self._ranks[topic])
        if after != before:
            for req, asked in self._streams:
                if asked == topic:
                    req.respond({"wanted": after})
