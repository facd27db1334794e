"""``event.pub``: publish an event through rank 0 and learn its sequence number."""

from __future__ import annotations

import base64
import errno
from typing import Any

from broker.context import Context
from broker.router import Router
from broker.service import NO_REPLY, Request, Service, request
from flux.wire.message import Message, event


class EventService(Service):
    """The publisher of numbered events; only rank 0 numbers them."""

    name = "event"

    def __init__(self, ctx: Context, router: Router) -> None:
        super().__init__(ctx)
        self.router = router

    @request("pub", allow="guest")
    def pub(self, req: Request) -> object:
        """Publish ``{topic, flags, payload?}``; flags 1 marks a base64 payload of raw bytes, 2 a private event.

        Brokers pass requests on to rank 0 with the publisher's credentials in ``userid`` and ``rolemask``, which nobody else may name.
        """
        if self.ctx.rank > 0:
            body = {**req.payload, "userid": req.userid, "rolemask": req.rolemask}
            self.ctx.handle.post("event.pub", body, lambda msg: _pass_on(req, msg), nodeid=0)
            return NO_REPLY
        flags = req.get("flags", int, 0)
        payload: Any = req.payload.get("payload")
        if flags & 1 and isinstance(payload, str):
            try:
                payload = base64.b64decode(payload, validate=True)
            except ValueError:
                raise OSError(errno.EPROTO, "Protocol error") from None
        msg = event(req.get("topic", str), payload, private=bool(flags & 2))
        msg.userid, msg.rolemask = req.userid, req.rolemask
        if req.is_owner:
            msg.userid, msg.rolemask = req.get("userid", int, req.userid), req.get("rolemask", int, req.rolemask)
        return {"seq": self.router.publish(msg)}

    @request("subscribe", allow="guest")
    @request("unsubscribe", allow="guest")
    def refuse(self, req: Request) -> None:
        """Subscriptions belong to a connection: the local connector answers them, not this service."""
        raise OSError(errno.ENOSYS, "subscribe on a connection to the broker")


def _pass_on(req: Request, msg: Message) -> None:
    if msg.errnum:
        req.error(msg.errnum, msg.text() or None)
    else:
        req.respond(msg.payload)
