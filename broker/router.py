"""Message routing of one broker: requests to services, responses back along their routes, events to
subscribers.

The router does no I/O. Everything that can receive messages is an `Endpoint` with an id: a service,
a local client, the parent broker, a child broker. A message handed to `Router.submit` waits in a
queue that is drained in one go per loop turn, so that a handler never runs inside another handler
and each endpoint sees its messages in order.

The router is also the barrier between messages: whatever one of them raises on its way costs that
message and nothing else. It is reported to ``on_fault``, a request is answered, and the next
message is routed.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from typing import TYPE_CHECKING, Protocol

from flux.wire.message import (
    EVENT,
    NODEID_ANY,
    NORESPONSE,
    PRIVATE,
    REQUEST,
    RESPONSE,
    UPSTREAM,
    Message,
    response,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.topology import Topology


class Endpoint(Protocol):
    """Something with an identity that messages can be delivered to."""

    id: str

    def deliver(self, msg: Message) -> None:
        """Take a message; a request's newest route is its previous hop, a response's own route has
        been removed.
        """


class Router:
    """The routing tables of one broker.

    While ``offline`` the broker waits for its parent, and its clients are told so.
    ``schedule`` is called with a function to run soon, once; it is the loop's ``call_soon``.
    ``on_fault`` is told of a message that raised something, the id of the endpoint concerned, and
    what it raised.
    """

    def __init__(
        self, topology: Topology, schedule: Callable[[Callable[[], None]], object]
    ) -> None:
        self.topology = topology
        self.rank = topology.rank
        self.size = topology.size
        self.owner = os.getuid()
        self.sequence = 0
        self.parent: Endpoint | None = None
        self.offline = False
        self.children: dict[int, Endpoint] = {}
        self.on_fault: Callable[[Message, str, Exception], None] = lambda msg, where, exc: None
        self._schedule = schedule
        self._queue: deque[tuple[Message, Endpoint]] = deque()
        self._scheduled = False
        self._endpoints: dict[str, Endpoint] = {}
        self._services: dict[str, Endpoint] = {}
        self._subscribers: dict[str, dict[str, Endpoint]] = {}
        self._resolved: dict[str, Endpoint] = {}
        self._topics: dict[str, list[str]] = {}
        self._users: dict[str, int] = {}
        self.on_subscription: Callable[[str], None] = _nobody_asks
        """Called with a prefix that got its first subscriber, or lost its last."""

    # Endpoints and services

    def attach(self, endpoint: Endpoint, userid: int | None = None) -> None:
        """Make ``endpoint`` reachable; ``userid`` limits the private events it may see."""
        self._endpoints[endpoint.id] = endpoint
        if userid is not None:
            self._users[endpoint.id] = userid

    def detach(self, endpoint: Endpoint) -> None:
        """Forget ``endpoint``, its services and its subscriptions."""
        self._endpoints.pop(endpoint.id, None)
        self._users.pop(endpoint.id, None)
        for name in [name for name, owner in self._services.items() if owner is endpoint]:
            self._forget_service(name)
        for prefix in [
            prefix for prefix, owners in self._subscribers.items() if endpoint.id in owners
        ]:
            self.unsubscribe(prefix, endpoint)

    def add_service(self, name: str, endpoint: Endpoint) -> None:
        """Have requests for ``name.*`` delivered to ``endpoint``; raises OSError(EEXIST) if the
        name is taken.
        """
        if name in self._services:
            raise OSError(errno.EEXIST, f"service {name} is already registered")
        self._services[name] = endpoint
        if "." in name:  # topics that a shorter name had may be its own now
            self._forget_topics()

    def remove_service(self, name: str, endpoint: Endpoint) -> None:
        """Undo `add_service`; raises OSError(ENOENT) if ``endpoint`` does not own ``name``."""
        if self._services.get(name) is not endpoint:
            raise OSError(errno.ENOENT, f"service {name} is not registered")
        self._forget_service(name)

    def _forget_service(self, name: str) -> None:
        del self._services[name]
        for topic in self._topics.pop(name, ()):
            del self._resolved[topic]

    def _forget_topics(self) -> None:
        self._resolved.clear()
        self._topics.clear()

    def service(self, topic: str) -> Endpoint | None:
        """Return the endpoint that serves ``topic``, by the longest registered service name."""
        try:
            return self._resolved[topic]
        except KeyError:
            pass
        name = topic
        found: Endpoint | None = self._services.get(name)
        end = topic.rfind(".")
        while end > 0 and found is None:
            name = topic[:end]
            found = self._services.get(name)
            end = topic.rfind(".", 0, end)
        if found is not None:
            if len(self._resolved) > 10_000:
                self._forget_topics()
            self._resolved[topic] = found
            self._topics.setdefault(name, []).append(topic)
        return found

    def endpoint(self, identity: str) -> Endpoint | None:
        """Return the endpoint with an identity, None if it has gone."""
        return self._endpoints.get(identity)

    @property
    def queued(self) -> int:
        """How many messages wait to be routed."""
        return len(self._queue)

    @property
    def endpoint_count(self) -> int:
        """How many endpoints are attached."""
        return len(self._endpoints)

    # Subscriptions

    def subscribe(self, prefix: str, endpoint: Endpoint) -> None:
        """Deliver events whose topic starts with ``prefix`` to ``endpoint``."""
        owners = self._subscribers.setdefault(prefix, {})
        owners[endpoint.id] = endpoint
        if len(owners) == 1:
            self.on_subscription(prefix)

    def unsubscribe(self, prefix: str, endpoint: Endpoint) -> None:
        """Undo `subscribe`; it does no harm if there was none."""
        owners = self._subscribers.get(prefix)
        if owners is not None:
            owners.pop(endpoint.id, None)
            if not owners:
                del self._subscribers[prefix]
                self.on_subscription(prefix)

    def is_subscribed(self, topic: str) -> bool:
        """Whether an endpoint here, the other brokers aside, gets events of ``topic``."""
        return any(topic[:end] in self._subscribers for end in range(len(topic) + 1))

    # Messages

    def submit(self, msg: Message, source: Endpoint) -> None:
        """Queue ``msg`` from ``source`` for routing."""
        self._queue.append((msg, source))
        if not self._scheduled:
            self._scheduled = True
            self._schedule(self.drain)

    def drain(self) -> None:
        """Route what is queued, and what that causes, up to a bound that keeps the loop alive."""
        queue = self._queue
        for _ in range(5000):
            if not queue:
                self._scheduled = False
                return
            msg, source = queue.popleft()
            self.route(msg, source)
        self._schedule(self.drain)

    def route(self, msg: Message, source: Endpoint) -> None:
        """Route one message now; what it raises is reported, and answered if it is a request."""
        kind = msg.type
        try:
            if kind == REQUEST:
                self._route_request(msg, source)
            elif kind == RESPONSE:
                self._route_response(msg)
            elif kind == EVENT:
                self._route_event(msg, source)
        except Exception as exc:
            self.on_fault(msg, source.id, exc)
            if kind == REQUEST:
                self._answer_fault(msg)

    def _answer_fault(self, msg: Message) -> None:
        try:
            self._fail(msg, errno.EPROTO, None)
        except Exception as exc:
            self.on_fault(msg, "", exc)

    def _route_request(self, msg: Message, source: Endpoint) -> None:
        msg.routes.insert(0, source.id)
        nodeid = msg.aux1
        if msg.flags & UPSTREAM and nodeid == self.rank:
            target = self.parent
        elif nodeid == NODEID_ANY or msg.flags & UPSTREAM:
            target = self.service(msg.topic or "") or self.parent
            if target is None:
                self._fail(msg, errno.ENOSYS, f"No service matching {msg.topic} is registered")
                return
        elif nodeid == self.rank:
            target = self.service(msg.topic or "")
            if target is None:
                self._fail(msg, errno.ENOSYS, f"No service matching {msg.topic} is registered")
                return
        else:
            target = self._next_hop(nodeid)
        if target is None:
            self._fail(msg, errno.EHOSTUNREACH, None)
            return
        target.deliver(msg)

    def _next_hop(self, nodeid: int) -> Endpoint | None:
        if nodeid >= self.size:
            return None
        child = self.topology.child_towards(nodeid)
        return self.parent if child is None else self.children.get(child)

    def _fail(self, msg: Message, errnum: int, text: str | None) -> None:
        if not msg.flags & NORESPONSE:
            self._route_response(response(msg, text, errnum=errnum))

    def _route_response(self, msg: Message) -> None:
        if not msg.routes:
            return
        target = self._endpoints.get(msg.routes.pop(0))
        if target is not None:
            target.deliver(msg)

    def _route_event(self, msg: Message, source: Endpoint) -> None:
        if source is not self.parent:
            if self.rank > 0:
                if self.parent is not None:
                    self.parent.deliver(msg)
                return
            self.sequence += 1
            msg.aux1 = self.sequence
        self.deliver_event(msg)

    def publish(self, msg: Message) -> int:
        """Number an event and send it out; only on rank 0. Returns its sequence number."""
        self.sequence += 1
        msg.aux1 = self.sequence
        self.deliver_event(msg)
        return self.sequence

    def deliver_event(self, msg: Message) -> None:
        """Give a numbered event to the children and to local subscribers."""
        self.sequence = msg.aux1
        msg.routes = []
        for child in tuple(self.children.values()):
            self._hand(child, msg)
        topic = msg.topic or ""
        subscribers = self._subscribers
        seen: dict[str, Endpoint] = {}
        for end in range(len(topic) + 1):
            owners = subscribers.get(topic[:end])
            if owners:
                seen.update(owners)
        for endpoint in seen.values():
            if not msg.flags & PRIVATE or self._may_see(endpoint, msg):
                self._hand(endpoint, msg)

    def _hand(self, endpoint: Endpoint, msg: Message) -> None:
        """Deliver an event to one of many: what one raises does not keep it from the others."""
        try:
            endpoint.deliver(msg)
        except Exception as exc:
            self.on_fault(msg, endpoint.id, exc)

    def _may_see(self, endpoint: Endpoint, msg: Message) -> bool:
        userid = self._users.get(endpoint.id)
        return userid is None or userid in (msg.userid, self.owner)


def _nobody_asks(prefix: str) -> None:
    """Do nothing."""
