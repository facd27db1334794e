"""The results of a future: a queue, the first of which is the *current* one.

A result is a response message, an error, or a value that a program gave. `Results.drop` makes the
next result current, but only when the current one has been seen: one that comes twice, because
``get_event`` has done it already for instance, loses nothing. A future that gets no more results,
the last response of an RPC has come, keeps its last one.
"""

from __future__ import annotations

import errno
from collections import deque
from typing import TYPE_CHECKING, Any

from flux.wire.errors import error_of
from flux.wire.message import RESPONSE, Message

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Value:
    """A result that a program gave."""

    __slots__ = ("value",)
    aux1 = 0
    """It is no error."""

    def __init__(self, value: object) -> None:
        self.value = value


def error_message(errnum: int, text: str | None = None) -> Message:
    """Return the response that stands for an error."""
    payload = text.encode("utf-8", "replace") + b"\0" if text else None
    return Message(RESPONSE, payload=payload, aux1=errnum)


class Results:
    """What a future holds, and how it is filled and read; `flux.future.Future` can wait for it."""

    _seen = False
    _ended = False
    _listeners: Sequence[Callable[[], object]] = ()
    _source: Results | None = None

    def __init__(self) -> None:
        self._results: deque[Message | Value] = deque()

    def __repr__(self) -> str:
        return f"<{self._title()}: {self._state()}>"

    def _title(self) -> str:
        return type(self).__name__

    def _state(self) -> str:
        if not self._results:
            return "waiting"
        current = self._results[0]
        if current.aux1:
            return f"{errno.errorcode.get(current.aux1, current.aux1)} {self.error_string()}"
        return "fulfilled"

    # Filling

    def fulfill(self, result: object = None) -> None:
        """Add a result: any value, or a response message, an error if its error number is not 0."""
        self._add(result if isinstance(result, Message) else Value(result))

    def fulfill_error(self, errnum: int = errno.ENOENT, errstr: str | None = None) -> None:
        """Add an error as result, ``errstr`` instead of what is usually said of ``errnum``."""
        self.fulfill(error_message(errnum, errstr))

    def fulfill_with(self, other: Results) -> None:
        """Add the current result of another future.

        Raises OSError: EINVAL for itself, EAGAIN if ``other`` has no result, EEXIST if it was
        fulfilled with a different future before.
        """
        if other is self:
            raise OSError(errno.EINVAL, "a future cannot be fulfilled with itself")
        if not other._results:
            raise OSError(errno.EAGAIN, "the other future has no result yet")
        if self._source not in (None, other):
            raise OSError(errno.EEXIST, "the future was fulfilled with another one before")
        self._source = other
        self._add(other._results[0])

    def fatal_error(self, errnum: int, text: str | None = None) -> None:
        """Make an error the one and last result, whatever else was or will be added."""
        if not (self._ended and self._results and self._results[0].aux1):
            self._results.clear()
            self._seen = False
            self._add(error_message(errnum, text))
            self._ended = True

    def _add(self, result: Message | Value) -> None:
        if self._ended and self._results:
            return
        self._results.append(result)
        if len(self._results) == 1:
            self._arrived()
            for listener in tuple(self._listeners):
                listener()

    def add_listener(self, listener: Callable[[], object]) -> None:
        """Have ``listener`` called whenever a result comes and none was there."""
        self._listeners = [*self._listeners, listener]

    def remove_listener(self, listener: Callable[[], object]) -> None:
        """Undo one `add_listener`."""
        self._listeners = [one for one in self._listeners if one is not listener]

    def _arrived(self) -> None:
        """Take notice of a result where none was."""

    def _wait(self) -> None:
        """Wait until there is a result."""
        raise OSError(errno.EDEADLK, "there is nothing to wait with")

    def _drop(self) -> None:
        """Make the next result current, if the current one was seen and is not the last ever."""
        results = self._results
        if results and self._seen and not (self._ended and len(results) == 1):
            results.popleft()
            self._seen = False

    # Reading

    def _current(self) -> Message | Value:
        if not self._results:
            self._wait()
        self._seen = True
        current = self._results[0]
        if isinstance(current, Message) and current.aux1:
            raise error_of(current)
        return current

    def message(self) -> Message:
        """Wait for a result and return the response it is; raises OSError if it is an error, EINVAL
        if it is the value of a program.
        """
        current = self._current()
        if isinstance(current, Value):
            raise OSError(errno.EINVAL, "the result is a value, not a message")
        return current

    def get(self) -> Any:
        """Wait for the result and return it: the value that a program gave, or the payload of a
        response as a JSON value, None without one. Raises OSError for an error.
        """
        current = self._current()
        return current.value if isinstance(current, Value) else current.json()

    def get_str(self) -> str | None:
        """Wait for the result and return it as text, None if there is none; raises OSError for an
        error.
        """
        current = self._current()
        if isinstance(current, Value):
            return None if current.value is None else str(current.value)
        return None if current.payload is None else current.text()

    def has_error(self) -> bool:
        """Whether the current result is an error."""
        return bool(self._results and self._results[0].aux1)

    def error_string(self) -> str | None:
        """Return the sentence of an error result, None if the result is not an error."""
        current = self._results[0] if self._results else None
        if isinstance(current, Message) and current.aux1:
            return error_of(current).strerror
        return None
