"""``event.pub``, ``event.publish``: publish an event through rank 0, learn its sequence number."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from broker.builtin.interest import Interest
from broker.event_rights import MAX_TOPIC, is_topic, may_publish
from broker.service import NO_REPLY, Reply, Request, Service, request
from flux.b64 import b64decode
from flux.wire.errors import os_error
from flux.wire.message import (
    PRIVATE,
    PUBLISH_PRIVATE,
    PUBLISH_RAW,
    USERID_UNKNOWN,
    Message,
    event,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broker.context import Context
    from broker.router import Router


class EventService(Service):
    """The publisher of numbered events; only rank 0 numbers them."""

    name = "event"
    part_types = (Interest,)

    def __init__(self, ctx: Context, router: Router) -> None:
        super().__init__(ctx)
        self.router = router
        self._interest = Interest(ctx, router, self.streams)

    def parts(self) -> Sequence[object]:
        """Return the part that knows who wants which events."""
        return (self._interest,)

    @request("pub", allow="guest")
    def pub(self, req: Request) -> Reply:
        """Publish ``{topic, flags, payload?}``; flags 1 marks a base64 payload of raw bytes, 2 a
        private event.

        Brokers pass requests on to rank 0 with the publisher's credentials in ``userid`` and
        ``rolemask``, which nobody else may name.
        """
        topic, flags = _checked_topic(req), req.get("flags", int, 0)
        payload: object = req.payload.get("payload")
        if flags & PUBLISH_RAW and isinstance(payload, str):
            payload = _decoded(payload)
        msg = event(topic, payload, private=bool(flags & PUBLISH_PRIVATE))
        return self._publish(req, "event.pub", msg)

    @request("publish", allow="guest")
    def publish(self, req: Request) -> Reply:
        """Publish as `pub` does, asked as today's flux-core does: ``payload`` is always base64 of
        what travels, and the flag 0x20 marks a private event. EPROTO for other flags.
        """
        topic, flags = _checked_topic(req), req.get("flags", int, 0)
        if flags & ~PRIVATE:
            raise os_error(errno.EPROTO)
        data = _decoded(req.get("payload", str)) if "payload" in req.payload else None
        return self._publish(req, "event.publish", event(topic, data, private=bool(flags)))

    def _publish(self, req: Request, asked: str, msg: Message) -> Reply:
        """Publish an event, on rank 0; elsewhere have that done by what was ``asked``."""
        if self.ctx.rank > 0:
            body = {**req.payload, "userid": req.userid, "rolemask": req.rolemask}
            self.ctx.handle.post(asked, body, lambda msg: _pass_on(req, msg), nodeid=0)
            return NO_REPLY
        msg.userid, msg.rolemask = req.userid, req.rolemask
        if req.is_owner:
            msg.userid, msg.rolemask = (
                _credential(req, "userid", req.userid),
                _credential(req, "rolemask", req.rolemask),
            )
        return {"seq": self.router.publish(msg)}

    @request("subscribe", allow="guest")
    @request("unsubscribe", allow="guest")
    def refuse(self, req: Request) -> None:
        """Subscriptions belong to a connection: the local connector answers them, not this
        service.
        """
        raise OSError(errno.ENOSYS, "subscribe on a connection to the broker")


def _decoded(text: str) -> bytes:
    """Return what base64 stands for; raises OSError(EPROTO)."""
    try:
        return b64decode(text)
    except ValueError:
        raise os_error(errno.EPROTO) from None


def _checked_topic(req: Request) -> str:
    """Return the topic to publish.

    Raises OSError: EPROTO or EINVAL if it is not a topic, EPERM for one of the system's that a
    guest asks for.
    """
    topic = req.get("topic", str)
    if not is_topic(topic):
        raise OSError(
            errno.EINVAL,
            f"event topics have 1 to {MAX_TOPIC} characters, no control characters among them",
        )
    if not req.is_owner and not may_publish(topic):
        raise OSError(
            errno.EPERM, "events with that topic are published by the instance owner only"
        )
    return topic


def _credential(req: Request, name: str, default: int) -> int:
    """Return a 32-bit member of a request that a broker passed on; raises OSError(EPROTO) if it is
    out of range.
    """
    value = req.get(name, int, default)
    if not 0 <= value <= USERID_UNKNOWN:
        raise os_error(errno.EPROTO)
    return value


def _pass_on(req: Request, msg: Message) -> None:
    if msg.errnum:
        req.error(msg.errnum, msg.text() or None)
    else:
        req.respond(msg.payload)
