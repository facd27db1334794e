"""Futures (flux_future_get(3)) and futures of several others (flux_future_wait_all_create(3))."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from flux.future_base import Future, NextFuture
from flux.wire import json
from flux.wire.message import RESPONSE, Message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flux.core.interface import Requester

__all__ = [
    "Future",
    "FutureExt",
    "NextFuture",
    "WaitAllFuture",
    "WaitAnyFuture",
    "all_of",
    "any_of",
]


class FutureExt(Future):
    """A future of a program's own, whose results are JSON values.

    ``init_cb(future, *args, **kw_args)`` is called when somebody begins to wait and has to see to
    it that `fulfill` or `fulfill_error` is called, now or later; what it raises is raised by `get`
    or `then`. It takes the handle to work with from ``get_flux``, since a blocking wait runs
    nothing but what is begun there. Without ``flux_handle`` it has to fulfil the future at once.
    """

    def __init__(
        self,
        init_cb: Callable[..., object],
        *args: object,
        flux_handle: Requester | None = None,
        **kw_args: object,
    ) -> None:
        super().__init__(flux_handle, lambda future: init_cb(future, *args, **kw_args))

    def fulfill(self, result: object = None) -> None:
        """Add a result: any JSON value, which `get` returns as it comes out of JSON. Raises
        TypeError if JSON cannot express it.
        """
        is_error = isinstance(result, Message)
        super().fulfill(result if is_error else json.loads(json.dumps(result)))

    def _block(self, timeout: float) -> None:
        if self.flux_handle is None and self._own_reactor is None:
            self.begin()
        if not self._results:
            super()._block(timeout)


class CompositeFuture(Future):
    """A future that depends on others, its children.

    Its result is empty; results and errors are those of the children.
    """

    def __init__(self, children: Iterable[Future] | None = None) -> None:
        super().__init__()
        self.children: list[Future] = []
        self._names: dict[str, Future] = {}
        for child in children or ():
            self.push(child)

    def push(self, child: Future, name: str | None = None) -> None:
        """Add a child, by default under its number as a name.

        Raises OSError: EEXIST if there is a child with the name, EINVAL if it belongs to another
        handle than the others.
        """
        name = str(len(self.children)) if name is None else name
        if name in self._names:
            raise OSError(errno.EEXIST, f"there is a child called {name} already")
        if self.flux_handle is None:
            self.flux_handle = child.flux_handle
        elif child.flux_handle is not None and child.flux_handle is not self.flux_handle:
            raise OSError(errno.EINVAL, "the children of a future belong to one handle")
        self.children.append(child)
        self._names[name] = child
        if self._begun:
            self._watch(child)

    def child_names(self) -> list[str]:
        """Return the names of the children, in the order in which they were added."""
        return list(self._names)

    def get_child(self, name: str) -> Future:
        """Return a child by its name; raises OSError(ENOENT) if there is none."""
        try:
            return self._names[name]
        except KeyError:
            raise OSError(errno.ENOENT, f"there is no child called {name}") from None

    def failures(self) -> dict[str, str]:
        """Return the sentences of the children that ended with an error, by their names."""
        found = ((name, child.error_string()) for name, child in self._names.items())
        return {name: text for name, text in found if text is not None}

    def _complete(self) -> bool:
        """Whether the children have what it takes; takes what has arrived but never waits."""
        raise TypeError("CompositeFuture is abstract")

    def _check(self) -> None:
        if not self._results and self._complete():
            self.fulfill(Message(RESPONSE))

    def is_ready(self) -> bool:
        """Whether the children have the results that it takes."""
        self._check()
        return bool(self._results)

    def _block(self, timeout: float) -> None:
        self._check()
        if self._results:
            return
        if self.flux_handle is None:
            super()._block(timeout)
        else:
            self.flux_handle.wait_until(self.is_ready, timeout)

    def begin(self) -> None:
        """Do what is to be done before somebody waits by the reactor: look at the children."""
        if not self._begun:
            self._begun = True
            for child in self.children:
                self._watch(child)
        self._check()

    def _watch(self, child: Future) -> None:
        child.begin()
        child.add_listener(self._check)


class WaitAllFuture(CompositeFuture):
    """A future that is fulfilled when all its children are, well or with an error: see
    `failures`.
    """

    _done = 0
    """How many children, from the first one on, are known to have a result."""

    def _complete(self) -> bool:
        while self._done < len(self.children):
            child = self.children[self._done]
            if not child.is_ready():
                return False
            self._done += 1
        return True


class WaitAnyFuture(CompositeFuture):
    """A future that is fulfilled when one of its children is; `ready` tells which."""

    def _complete(self) -> bool:
        if self.flux_handle is not None:
            self.flux_handle.poll()
        return any(child._results for child in self.children) or any(
            child.is_ready() for child in self.children if isinstance(child, _MADE_OF_OTHERS)
        )

    def ready(self) -> list[str]:
        """Return the names of the children that have a result."""
        return [name for name, child in self._names.items() if child._results]


_MADE_OF_OTHERS = (CompositeFuture, NextFuture)
"""Futures that look at others when they are asked whether they are ready."""


def all_of(*children: Future, **named: Future) -> WaitAllFuture:
    """Return the future of all ``children``, and of all ``named``, which have names."""
    future = WaitAllFuture(children)
    for name, child in named.items():
        future.push(child, name)
    return future


def any_of(*children: Future, **named: Future) -> WaitAnyFuture:
    """Return the future of the first of ``children`` and of ``named``, which have names."""
    future = WaitAnyFuture(children)
    for name, child in named.items():
        future.push(child, name)
    return future
