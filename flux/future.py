"""Futures of the blocking handle (flux_future_get(3), flux_future_create(3))."""

from __future__ import annotations

import errno
from collections import deque
from typing import TYPE_CHECKING, Any, Self

from flux.wire.errors import error_of, os_error
from flux.wire.message import RESPONSE, Message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flux.core.interface import Requester
    from flux.core.reactor import Reactor, Timer


class Future:
    """A result that is, or will be, there.

    A future may be fulfilled more than once (streaming RPCs): `reset` makes the next result
    current. `get` and `wait_for` block; `then` has a function called by the reactor instead.
    """

    def __init__(self, flux_handle: Requester | None = None) -> None:
        self.flux_handle = flux_handle
        self._results: deque[Message] = deque()
        self._then: Callable[[], object] | None = None
        self._scheduled = False
        self._counted = False
        self._timer: Timer | None = None

    # Fulfilment

    def fulfill(self, msg: Message) -> None:
        """Add a result: a response message, an error if its error number is not 0."""
        self._results.append(msg)
        if len(self._results) == 1:
            self._schedule()

    def fulfill_error(self, errnum: int, text: str | None = None) -> None:
        """Add an error as result."""
        payload = text.encode() + b"\0" if text else None
        self.fulfill(Message(RESPONSE, payload=payload, aux1=errnum))

    def _schedule(self) -> None:
        if self._then is not None and not self._scheduled and self.flux_handle is not None:
            self._scheduled = True
            self.flux_handle.reactor.call_soon(self._run)

    def _run(self) -> None:
        self._scheduled = False
        if self._then is None or not self._results:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._uncount()
        self._then()

    _finished = False

    def _count(self) -> None:
        if not self._counted and self.flux_handle is not None:
            self._counted = True
            self.flux_handle.reactor.incref()

    def _uncount(self) -> None:
        if self._counted and self.flux_handle is not None:
            self._counted = False
            self.flux_handle.reactor.decref()

    # Results

    def is_ready(self) -> bool:
        """Whether a result is there; takes what has arrived but never waits."""
        if not self._results and self.flux_handle is not None:
            self.flux_handle.poll()
        return bool(self._results)

    def wait_for(self, timeout: float = -1.0) -> Self:
        """Wait for a result, at most ``timeout`` seconds unless that is negative; raises
        OSError(ETIMEDOUT).
        """
        handle = self.flux_handle
        if not self._results and handle is None:
            raise OSError(errno.EDEADLK, "the future has no handle to wait with")
        if handle is not None:
            handle.wait_until(lambda: bool(self._results), timeout)
        if not self._results:
            raise os_error(errno.ETIMEDOUT)
        return self

    def message(self) -> Message:
        """Wait for a result and return it; raises OSError if it is an error."""
        if not self._results:
            self.wait_for()
        msg = self._results[0]
        if msg.aux1:
            self._finished = True
            raise error_of(msg)
        return msg

    def get(self) -> Any:
        """Wait for the result and return its payload as a JSON value, None without one; raises
        OSError for an error.
        """
        return self.message().json()

    def get_str(self) -> str | None:
        """Wait for the result and return its payload as text, None without one; raises OSError for
        an error.
        """
        msg = self.message()
        return None if msg.payload is None else msg.text()

    def error_string(self) -> str | None:
        """Return the sentence of an error result, None if the result is not an error."""
        if self._results and self._results[0].aux1:
            return error_of(self._results[0]).strerror
        return None

    def reset(self) -> None:
        """Drop the current result, so that the next one of a stream can be waited for."""
        if self._results:
            self._results.popleft()
        if self._then is not None and not self._finished:
            self._count()
            if self._results:
                self._schedule()

    def then(
        self,
        callback: Callable[..., object],
        *args: object,
        timeout: float = -1.0,
        **kwargs: object,
    ) -> Self:
        """Have the reactor call ``callback(self, *args, **kwargs)`` for the result.

        After ``timeout`` seconds without one, unless that is negative, the result is an error
        ETIMEDOUT. Raises OSError(EINVAL) without a handle.
        """
        if self.flux_handle is None:
            raise OSError(errno.EINVAL, "the future has no handle")
        self._then = lambda: callback(self, *args, **kwargs)
        self._count()
        if self._results:
            self._schedule()
        elif timeout >= 0:
            reactor = self.flux_handle.reactor
            self._timer = reactor.call_at(
                reactor.now() + timeout, lambda: self.fulfill_error(errno.ETIMEDOUT)
            )
        return self

    def get_flux(self) -> Requester | None:
        """Return the handle."""
        return self.flux_handle

    def get_reactor(self) -> Reactor | None:
        """Return the handle's reactor."""
        return self.flux_handle.reactor if self.flux_handle is not None else None

    def incref(self) -> None:
        """Python keeps the future; there is nothing to do."""

    def cancel(self) -> None:
        """Give the future up: no callback, and a response that still comes is dropped."""
        self._then = None
        self._finished = True
        self._uncount()


class WaitAllFuture(Future):
    """A future that is fulfilled when all its children are; its result is empty."""

    def __init__(self, children: Iterable[Future] | None = None) -> None:
        super().__init__()
        self.children: list[Future] = []
        for child in children or ():
            self.push(child)

    def push(self, child: Future, name: str | None = None) -> None:
        """Add a child."""
        self.children.append(child)
        if self.flux_handle is None:
            self.flux_handle = child.flux_handle

    @property
    def _complete(self) -> bool:
        return all(child._results for child in self.children)

    def is_ready(self) -> bool:
        """Whether every child has a result."""
        for child in self.children:
            child.is_ready()
        self._check()
        return bool(self._results)

    def _check(self) -> None:
        if not self._results and self._complete:
            self.fulfill(Message(RESPONSE))

    def wait_for(self, timeout: float = -1.0) -> Self:
        """Wait for every child, at most ``timeout`` seconds in all unless that is negative; raises
        OSError(ETIMEDOUT).
        """
        if self.flux_handle is not None:
            self.flux_handle.wait_until(lambda: self._complete, timeout)
        if not self._complete:
            raise os_error(errno.ETIMEDOUT)
        self._check()
        return self

    def then(
        self,
        callback: Callable[..., object],
        *args: object,
        timeout: float = -1.0,
        **kwargs: object,
    ) -> Self:
        """Have the reactor call ``callback(self, *args, **kwargs)`` when every child has a
        result.
        """
        super().then(callback, *args, timeout=timeout, **kwargs)
        for child in self.children:
            child.then(lambda _: self._check())
        self._check()
        return self
