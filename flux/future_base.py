"""Futures of the blocking handle (flux_future_get(3), flux_future_create(3),
flux_future_and_then(3)).

What a future holds is in `flux.future_results`; here is how it is waited for, and how one future
follows another.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, Self

from flux.future_results import Results, error_message
from flux.scoped import Scoped
from flux.wire.text import as_seconds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator

    from flux.core.interface import Requester
    from flux.core.reactor import Reactor, Timer


def no_result_within(seconds: float) -> str:
    """Return the sentence about a wait that timed out."""
    return f"no result within {seconds:g} s"


class Future(Results, Scoped):
    """A result that is, or will be, there.

    `get` and `wait_for` block; `then` has a function called by the reactor instead; ``await``
    waits in an asyncio program, whose loop then turns the reactor of the handle, too. Programs make
    futures of their own: ``init(future)`` is called when somebody begins to wait, with
    `get_reactor` as the reactor that will be run, and has to see to it that `fulfill` or one of its
    relatives is called.
    """

    # What few futures have: kept by the class until then, for RPCs are made by the thousand.
    _then: Callable[[], object] | None = None
    _timeout = -1.0
    _timer: Timer | None = None
    _scheduled = False
    _counted: Reactor | None = None
    _calling: Reactor | None = None
    _own_reactor: Reactor | None = None
    _init: Callable[[Future], object] | None = None
    _begun = False
    _next: NextFuture | None = None

    def __init__(
        self,
        flux_handle: Requester | None = None,
        init: Callable[[Future], object] | None = None,
    ) -> None:
        super().__init__()
        self.flux_handle = flux_handle
        if init is not None:
            self._init = init

    # Callbacks

    def _arrived(self) -> None:
        self._stop_timer()
        self._schedule()

    def _schedule(self) -> None:
        if self._then is not None and not self._scheduled and self._calling is not None:
            self._scheduled = True
            self._calling.call_soon(self._run)

    def _run(self) -> None:
        self._scheduled = False
        if self._then is None or not self._results:
            return
        self._stop_timer()
        self._uncount()
        self._seen = True
        self._then()

    def _count(self) -> None:
        if self._counted is None and self._calling is not None:
            self._counted = self._calling
            self._counted.incref()

    def _uncount(self) -> None:
        reactor, self._counted = self._counted, None
        if reactor is not None:
            reactor.decref()

    def _start_timer(self) -> None:
        reactor = self._calling
        if self._timeout >= 0 and self._timer is None and reactor is not None:
            self._timer = reactor.call_at(reactor.now() + self._timeout, self._expired)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expired(self) -> None:
        self._timer = None
        self._add(error_message(errno.ETIMEDOUT, no_result_within(self._timeout)))

    def begin(self) -> None:
        """Do what is to be done before somebody waits by the reactor: call ``init``."""
        if self._init is not None and not self._begun:
            self._begun = True
            self._init(self)

    # Results

    def is_ready(self) -> bool:
        """Whether a result is there; takes what has arrived but never waits."""
        if not self._results and self.flux_handle is not None:
            self.flux_handle.poll()
        return bool(self._results)

    def wait_for(self, timeout: float = -1.0) -> Self:
        """Wait for a result, at most ``timeout`` seconds unless that is negative.

        Raises OSError: ETIMEDOUT, EDEADLK if there is nothing to wait with. A future with an
        ``init`` function waits in a reactor of its own: nothing else is called meanwhile.
        """
        seconds = as_seconds(timeout, "timeout")
        if not self._results:
            self._block(seconds)
        if not self._results:
            raise OSError(errno.ETIMEDOUT, no_result_within(seconds))
        self._seen = True
        return self

    def _have(self) -> bool:
        return bool(self._results)

    def _wait(self) -> None:
        self.wait_for()

    def _block(self, timeout: float) -> None:
        handle = self.flux_handle
        if handle is not None and self._init is not None:
            init = self._init
            handle.run_apart(lambda: init(self), self._have, timeout)
        elif handle is not None:
            handle.wait_until(self._have, timeout)
        elif self._own_reactor is not None:
            self.begin()
            self._own_reactor.run_until(self._have, timeout)
        else:
            raise OSError(errno.EDEADLK, "the future has no handle to wait with")

    def reset(self) -> None:
        """Drop the current result, if anybody has seen it, so that the next one can be waited for.

        A callback set by `then` stays, and its timeout begins anew. The last result of a future
        that gets no more stays, too.
        """
        self._drop()
        if self._then is None or (self._ended and self._seen):
            return
        self._count()
        if self._results:
            self._schedule()
        else:
            self._start_timer()

    def then(
        self,
        callback: Callable[..., object],
        *args: object,
        timeout: float = -1.0,
        **kwargs: object,
    ) -> Self:
        """Have the reactor call ``callback(self, *args, **kwargs)`` for the result.

        After ``timeout`` seconds without one, unless that is negative, the result is an error
        ETIMEDOUT. Raises OSError(EINVAL) without a handle or reactor, ValueError for a callback
        that is None, TypeError for one that cannot be called.
        """
        if callback is None:
            raise ValueError("Callback cannot be None")
        if not callable(callback):
            raise TypeError(f"a callback must be callable, not {type(callback).__name__}")
        self._calling = self.get_reactor()
        if self._calling is None:
            raise OSError(errno.EINVAL, "the future has no handle")
        self._then = lambda: callback(self, *args, **kwargs)
        self._timeout = timeout
        self._count()
        self.begin()
        if self._results:
            self._schedule()
        else:
            self._start_timer()
        return self

    def and_then(self, callback: Callable[..., object], *args: object) -> NextFuture:
        """Return the future of what follows a success: ``callback(self, *args)`` is called for the
        result, and says by what it returns how the chain goes on.

        That is another future, whose result will be that of the chain, or anything else for the
        result of this one. `continue_with`, `continue_error` and `fulfill_next` do the same from
        within the callback; an OSError that it raises is the error of the chain. An error of this
        future is passed on. `or_then` of the same future belongs to the same chain.
        """
        following = self._chain()
        following.on_success = lambda: callback(self, *args)
        return following

    def or_then(self, callback: Callable[..., object], *args: object) -> NextFuture:
        """Return the future of what follows an error; otherwise as `and_then`. A success is passed
        on.
        """
        following = self._chain()
        following.on_error = lambda: callback(self, *args)
        return following

    def _chain(self) -> NextFuture:
        if self._next is None:
            self._next = NextFuture(self)
        return self._next

    def _following(self) -> NextFuture:
        if self._next is None:
            raise OSError(errno.EINVAL, "no future follows this one")
        return self._next

    def continue_with(self, other: Future | None) -> None:
        """Let the chain go on with the result of ``other``, or with what `fulfill_next` will give
        if that is None. Raises OSError(EINVAL) if there is no chain.
        """
        self._following().go_on_with(other)

    def continue_error(self, errnum: int, text: str | None = None) -> None:
        """Let the chain go on with an error; raises OSError(EINVAL) if there is no chain."""
        self._following().go_on_with(None)
        self._following().fulfill_error(errnum, text)

    def fulfill_next(self, value: object = None) -> None:
        """Let the chain go on with a value; raises OSError(EINVAL) if there is no chain."""
        self._following().go_on_with(None)
        self._following().fulfill(value)

    # In asyncio programs

    def __await__(self) -> Generator[object, None, Any]:
        if not self.is_ready():
            if self.flux_handle is None:
                raise OSError(errno.EDEADLK, "the future has no handle to wait with")
            self.begin()
            yield from self.flux_handle.wait_async(self).__await__()
        return self.awaited()

    def awaited(self) -> Any:
        """Return what ``await`` gives once there is a result; raises OSError as `get` does."""
        return self.get()

    async def __aiter__(self) -> AsyncIterator[Any]:
        """Yield one result after the other, to the end of a stream."""
        while True:
            try:
                value = await self
            except OSError as exc:
                if exc.errno == errno.ENODATA:
                    return
                raise
            yield value
            self.reset()

    # Facts

    def get_flux(self) -> Requester | None:
        """Return the handle."""
        return self.flux_handle

    def get_reactor(self) -> Reactor | None:
        """Return the reactor that calls back: its own, if it was given one, or the handle's."""
        if self._own_reactor is not None:
            return self._own_reactor
        return self.flux_handle.reactor if self.flux_handle is not None else None

    def set_reactor(self, reactor: Reactor) -> None:
        """Have callbacks called by ``reactor``."""
        self._own_reactor = reactor

    def set_flux(self, flux_handle: Requester) -> None:
        """Give the future a handle."""
        self.flux_handle = flux_handle

    def incref(self) -> None:
        """Python keeps the future; there is nothing to do."""

    def cancel(self) -> None:
        """Give the future up: no callback, and a response that still comes is dropped."""
        self._then = None
        self._stop_timer()
        self._uncount()

    def stop(self) -> None:
        """Stop the reactor that waits for this future, from its callback for instance."""
        if self.flux_handle is not None:
            self.flux_handle.reactor.stop()


class NextFuture(Future):
    """What follows another future in a chain; made by `Future.and_then` and `Future.or_then`."""

    def __init__(self, before: Future) -> None:
        super().__init__(before.flux_handle)
        self._own_reactor = before._own_reactor
        self.on_success: Callable[[], object] | None = None
        self.on_error: Callable[[], object] | None = None
        self._before = before
        self._after: Future | None = None
        self._advanced = False
        self._went_on = False

    def go_on_with(self, other: Future | None) -> None:
        """Get the result of ``other``; for None, whatever `fulfill` will be called with."""
        self._went_on = True
        self._after = other
        if other is not None and self._begun:
            self._follow(other, self._take_after)

    def _follow(self, other: Future, action: Callable[[], None]) -> None:
        """Have the reactor do ``action`` once there is a result of ``other``."""
        reactor = self.get_reactor()
        if reactor is None:
            raise OSError(errno.EINVAL, "the future has no handle")
        other.begin()
        if other.is_ready():
            reactor.call_soon(action)
        else:
            other.add_listener(lambda: reactor.call_soon(action))

    def _advance(self) -> None:
        """Call what is to be called for the result before, once it is there."""
        if self._advanced:
            return
        self._advanced = True
        callback = self.on_error if self._before.has_error() else self.on_success
        if callback is not None:
            self._before._seen = True
            try:
                answer = callback()
            except OSError as exc:
                self._went_on = True
                self.fulfill_error(exc.errno or errno.EINVAL, exc.strerror or str(exc))
                return
            if isinstance(answer, Future) and not self._went_on:
                self.go_on_with(answer)
        if not self._went_on:
            self.fulfill_with(self._before)

    def _take_after(self) -> None:
        if self._after is not None and not self._results and self._after._results:
            self.fulfill_with(self._after)

    def begin(self) -> None:
        """Do what is to be done before somebody waits by the reactor."""
        if not self._begun:
            self._begun = True
            self._follow(self._before, self._advance)

    def is_ready(self) -> bool:
        """Whether the end of the chain has come; goes on with it if the result before is there."""
        if not self._results and self._before.is_ready():
            self._advance()
            if self._after is not None and self._after.is_ready():
                self._take_after()
        return bool(self._results)

    def _block(self, timeout: float) -> None:
        reactor = self.get_reactor()
        if reactor is None:
            raise OSError(errno.EDEADLK, "the future has no handle to wait with")
        deadline = reactor.now() + timeout

        def left() -> float:
            return -1.0 if timeout < 0 else max(0.0, deadline - reactor.now())

        try:
            self._before.wait_for(left())
            self._advance()
            if self._after is not None:
                self._after.wait_for(left())
                self._take_after()
        except TimeoutError:
            return
        if not self._results:
            super()._block(left())
