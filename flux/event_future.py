"""Futures of events: one that was published, the heartbeats of the instance."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final, Protocol

from flux.constants import FLUX_MSGTYPE_EVENT
from flux.core.interface import Requester
from flux.future import Future
from flux.message import MessageSource, MessageWatcher
from flux.rpc import RPC
from flux.wire.errors import may_be_unknown
from flux.wire.message import publish_request, todays_publish_request
from flux.wire.text import as_seconds

if TYPE_CHECKING:
    from typing import Self

    from flux.message import MessageView

HEARTBEAT: Final = "heartbeat.pulse"


class EventSource(Requester, MessageSource, Protocol):
    """The handle of a future that events fulfill."""

    def watchers(self) -> tuple[MessageWatcher, ...]:
        """Return the watchers that get messages now."""

    def event_subscribe(self, topic: str) -> None:
        """Receive events whose topic starts with ``topic``."""

    def event_unsubscribe(self, topic: str) -> None:
        """Undo one `event_subscribe`."""


class PublishFuture(RPC):
    """An event that is being published."""

    def __init__(self, flux_handle: Requester, topic: str, payload: object, private: bool) -> None:
        self._requester = flux_handle
        self._body = publish_request(topic, payload, private)
        super().__init__(flux_handle, "event.pub", self._body)

    def get_seq(self) -> int:
        """Wait until the instance has the event and return its sequence number; raises OSError if
        it does not take it.
        """
        try:
            return int(self.member("seq"))
        except OSError as error:
            if not may_be_unknown(error.errno):
                raise
            refusal = error
        body = todays_publish_request(self._body)
        try:
            return int(RPC(self._requester, "event.publish", body).member("seq"))
        except OSError as error:
            raise (refusal if error.errno == errno.ENOSYS else error) from None


class SyncFuture(Future):
    """A future that is fulfilled by each heartbeat, at most once in ``minimum`` seconds.

    `reset` makes it wait for the next one; heartbeats that come before that count as one. `cancel`
    ends it. Raises OSError(EINVAL) for a negative ``minimum``.
    """

    def __init__(self, flux_handle: EventSource, minimum: float = 0.0) -> None:
        super().__init__(flux_handle)
        minimum = as_seconds(minimum, "minimum")
        if minimum < 0:
            raise OSError(errno.EINVAL, "the time between heartbeats is not negative")
        self._minimum = minimum
        self._last: float | None = None
        self._handle = flux_handle
        self._watcher = _Direct(flux_handle, FLUX_MSGTYPE_EVENT, self._beat, HEARTBEAT)
        flux_handle.add_message_watcher(self._watcher)
        flux_handle.event_subscribe(HEARTBEAT)

    def _beat(
        self, handle: EventSource, watcher: MessageWatcher, msg: MessageView, args: object
    ) -> None:
        now = self._handle.reactor.now()
        if self._results or (self._last is not None and now - self._last < self._minimum):
            return
        self._last = now
        self.fulfill(msg.payload)

    def cancel(self) -> None:
        """End it: no more heartbeats are received for it."""
        super().cancel()
        if self._watcher in self._handle.watchers():
            self._handle.remove_message_watcher(self._watcher)
            self._handle.event_unsubscribe(HEARTBEAT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.cancel()


class _Direct(MessageWatcher):
    """A watcher that is called as soon as a message comes, reactor or not."""

    direct = True
