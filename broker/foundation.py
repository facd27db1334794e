"""What a broker and its links to the other brokers both stand on, made before either of them."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from broker.endpoint import ServiceHost, new_id
from broker.log import LogRing
from broker.router import Router

if TYPE_CHECKING:
    from broker.attributes import Attributes
    from broker.configuration import Config
    from broker.topology import Topology
    from flux.wire.message import Message

DEBUG = 7


class Foundation:
    """The router, the log and the host of services of one broker, made on its running loop.

    ``identity`` is what it is called in routes, ``endpoint`` what it sends its own requests from,
    ``ctx`` what it knows of itself.
    """

    def __init__(
        self, topology: Topology, attrs: Attributes, config: Config | None = None, verbose: int = 0
    ) -> None:
        self.topology = topology
        self.attrs = attrs
        self.identity = new_id()
        attrs.define("broker.uuid", self.identity, immutable=True)
        self.router = Router(topology, asyncio.get_running_loop().call_soon)
        self.ring = LogRing(topology.rank, attrs, self._forward if topology.rank else None)
        if verbose > 1:
            self.ring.stderr_level = DEBUG
        self.host = ServiceHost(self.router, attrs, self.ring, os.getuid(), self.identity, config)
        self.ctx, self.endpoint = self.host.context("broker")
        self.log = self.ctx.log
        self.router.on_fault = self._message_fault

    def _forward(self, line: str) -> None:
        if self.router.parent is not None:
            self.endpoint.handle.send("log.append", line.encode(), nodeid=0)

    def _message_fault(self, msg: Message, where: str, exc: Exception) -> None:
        """A message raised something: it costs that message, not the broker."""
        sender = f" from {msg.routes[-1]}" if msg.routes else ""
        self.log.exception(f"{msg.topic}{sender} at {where}: {type(exc).__name__}: {exc}", exc)
