"""Following a journal: a stream of events that begins with those of the past.

A journal answers objects whose ``events`` are entries of an eventlog (RFC 18). One without entries
says that the past has been told; what the entries mean is the business of each journal's class.
"""

from __future__ import annotations

import errno
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from flux.constants import FLUX_NODEID_ANY, FLUX_RPC_NORESPONSE, FLUX_RPC_STREAMING
from flux.job.event import EventLogEvent
from flux.rpc import RPC
from flux.wire.text import as_seconds, as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

    from flux.core.interface import Requester
    from flux.future import Future
    from flux.wire.json import JsonObject
    from flux.wire.text import Text


class JournalEventBase(EventLogEvent):
    """An event of a journal: an entry of an eventlog, as `EventLogEvent` has it.

    One that is made of an empty object is the empty event, which stands between the past and what
    is new: it has the current time, no context, and no name, so that ``name`` raises KeyError.
    """

    def __init__(self, event: Mapping[str, object] | str | bytes) -> None:
        if isinstance(event, Mapping) and not event:
            super(EventLogEvent, self).__init__(timestamp=time.time(), context={})
        else:
            super().__init__(event)

    def is_empty(self) -> bool:
        """Return whether this is the empty event."""
        return "name" not in self

    def __str__(self) -> str:
        if self.is_empty():
            return f"{self.timestamp:.5f} End of historical data stream"
        return f"{self.timestamp:.5f} {self.name} {self.context_string}".rstrip()


EventT = TypeVar("EventT", bound=JournalEventBase)


class JournalConsumerBase(ABC, Generic[EventT]):
    """Follows the journal that answers ``topic``; `start` begins it, `stop` ends it, by a request
    to ``cancel_topic``, by default the topic with ``-cancel`` behind it.

    With ``full`` it begins with the past, whose events come in the order of their times once all of
    them are known; ``include_sentinel`` puts the empty event after them. Events at ``since``,
    seconds since the epoch, or before are left out. Events are taken one by one with `poll` or by
    iteration, or by a callback from the reactor. A ``with`` block starts and stops it.

    A class for a journal has `process_response` and `create_event`; it may have its own
    `request_payload`, `is_empty_response`, `tells_of_the_end` and ``SENTINEL_EVENT``, which is the
    empty event, and a ``nodeid``, the rank that is asked.
    """

    SENTINEL_EVENT: EventT = cast("EventT", JournalEventBase({}))
    nodeid: int = FLUX_NODEID_ANY

    def __init__(
        self,
        flux_handle: Requester,
        topic: Text,
        cancel_topic: Text | None = None,
        full: bool = True,
        since: float = 0.0,
        include_sentinel: bool = False,
    ) -> None:
        self.handle = flux_handle
        self.topic = as_text(topic, "topic")
        self.cancel_topic = as_text(cancel_topic or f"{self.topic}-cancel", "cancel_topic")
        self.full = bool(full)
        self.since = as_seconds(since, "since")
        self.include_sentinel = bool(include_sentinel)
        self._rpc: RPC | None = None
        self._first = True
        self._past: list[EventT] | None = None  # while the past is being told
        self._backlog: deque[EventT | None] = deque()
        self._callback: Callable[[EventT | None], object] | None = None

    @property
    def request_payload(self) -> JsonObject:
        """What the journal is asked with; nothing, unless a class says more."""
        return {}

    @abstractmethod
    def process_response(self, resp: JsonObject) -> JsonObject:
        """Return what an answer tells of all of its events: arguments of `create_event`."""

    @abstractmethod
    def create_event(self, entry: JsonObject, *args: Any, **kwargs: Any) -> EventT:
        """Return the event of one of the ``events`` of an answer; ``kwargs`` are what
        `process_response` returned. Raises OSError(EPROTO), TypeError or ValueError if it is
        malformed.
        """

    def is_empty_response(self, resp: JsonObject) -> bool:
        """Return whether an answer says that the past has been told."""
        return not resp["events"]

    def tells_of_the_end(self, resp: JsonObject) -> bool:
        """Return whether a journal with such a first answer will say when the past has been told.
        Of one that will not, events are passed on as they come.
        """
        return True

    def start(self) -> Self:
        """Ask for the journal; returns the consumer. One that was started already begins anew."""
        if self._rpc is not None:
            self.stop()
            self._rpc.cancel()
        self._past = [] if self.full else None
        self._backlog.clear()
        payload = self.request_payload
        self._rpc = RPC(self.handle, self.topic, payload, self.nodeid, FLUX_RPC_STREAMING)
        self._first = True
        if self._callback is not None:
            self._rpc.then(self._arrived)
        return self

    def stop(self) -> None:
        """Ask for no more; what has come already can still be taken, then `poll` returns None."""
        if self._rpc is not None:
            payload = {"matchtag": self._rpc.matchtag}
            RPC(self.handle, self.cancel_topic, payload, self.nodeid, FLUX_RPC_NORESPONSE)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def set_callback(
        self, event_cb: Callable[..., object], *args: object, **kwargs: object
    ) -> Self:
        """Have ``event_cb(event, *args, **kwargs)`` called for each event while the reactor of the
        handle runs, and with None after the last one; returns the consumer.

        Raises TypeError if it cannot be called.
        """
        if not callable(event_cb):
            raise TypeError("the callback of a journal must be callable")
        waits = self._callback is None and self._rpc is not None
        self._callback = lambda event: event_cb(event, *args, **kwargs)
        if waits and self._rpc is not None:
            self._rpc.then(self._arrived)
            self.handle.reactor.call_soon(self._call_back)
        return self

    def poll(self, timeout: float | None = -1.0) -> EventT | None:
        """Return the next event, None after the last one.

        It is waited for, at most for ``timeout`` seconds unless that is None or negative: then
        TimeoutError is raised. RuntimeError if the consumer has not been started; OSError: EPERM if
        the journal is not for the caller, EPROTO for an answer that is malformed.
        """
        if self._rpc is None:
            raise RuntimeError("the consumer of the journal has not been started")
        seconds = -1.0 if timeout is None else as_seconds(timeout, "timeout")
        deadline = time.monotonic() + seconds
        while not self._backlog:
            left = -1.0 if seconds < 0 else max(0.0, deadline - time.monotonic())
            self._take(self._rpc.wait_for(left))
        event = self._backlog.popleft()
        if event is None:
            self._backlog.append(None)  # for whoever asks again
        return event

    def __iter__(self) -> Iterator[EventT]:
        while (event := self.poll()) is not None:
            yield event

    def _take(self, rpc: RPC) -> None:
        """Put the events of an answer aside, or None for the end of the stream."""
        try:
            answer = rpc.get()
        except OSError as exc:
            if exc.errno != errno.ENODATA:
                raise
            self._end_past()
            self._backlog.append(None)
            return
        rpc.reset()
        if not isinstance(answer, dict) or not isinstance(answer.get("events"), list):
            raise self._malformed()
        try:
            told = self.process_response(answer)
            events = [self.create_event(entry, **told) for entry in answer["events"]]
        except (AttributeError, KeyError, TypeError, ValueError):
            raise self._malformed() from None
        self._add([event for event in events if event.timestamp > self.since], answer)

    def _add(self, events: list[EventT], answer: JsonObject) -> None:
        first, self._first = self._first, False
        if self._past is None:
            self._backlog += events
            return
        self._past += events
        if self.is_empty_response(answer):
            self._end_past()
            if self.include_sentinel:
                self._backlog.append(self.SENTINEL_EVENT)
        elif first and not self.tells_of_the_end(answer):
            self._end_past()

    def _end_past(self) -> None:
        """The past has been told: let its events be taken, in the order of their times."""
        past: list[EventT] = self._past or []
        self._past = None
        past.sort(key=lambda event: event.timestamp)
        self._backlog += past

    def _malformed(self) -> OSError:
        return OSError(errno.EPROTO, f"malformed answer of the journal {self.topic}")

    def _arrived(self, future: Future) -> None:
        if self._rpc is not None and future is self._rpc:
            self._take(self._rpc)
            self._call_back()

    def _call_back(self) -> None:
        """Hand on what can be taken; None, the end, comes last."""
        while self._backlog and self._callback is not None:
            self._callback(self._backlog.popleft())
