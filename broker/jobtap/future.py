"""The answer of an RPC that a jobtap plugin has sent, once it is there."""

from __future__ import annotations

import asyncio
import errno
from functools import partial
from typing import TYPE_CHECKING

from flux.wire.errors import error_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from flux.wire.json import JsonObject
    from flux.wire.message import Message

    Guard = Callable[[Callable[[], object]], None]
    """Calls a function of the plugin, and logs what it raises."""


class PluginFuture:
    """An answer to come: ``await`` it in a coroutine, or have `then` call a function.

    ``on_settled`` is called once nothing is waited for any more.
    """

    def __init__(self, topic: str, guard: Guard) -> None:
        self.topic = topic
        self.on_settled: Callable[[], None] | None = None
        self._guard = guard
        self._message: Message | None = None
        self._error: OSError | None = None
        self._done = asyncio.Event()
        self._callbacks: list[Callable[[], object]] = []

    def then(
        self, callback: Callable[..., object], *args: object, **kwargs: object
    ) -> PluginFuture:
        """Have ``callback(future, ...)`` called when the answer is there, never at once."""
        if not callable(callback):
            raise OSError(errno.EINVAL, f"{callback!r:.100} cannot be called")
        call = partial(callback, self, *args, **kwargs)
        if self.is_ready():
            asyncio.get_running_loop().call_soon(self._guard, call)
        else:
            self._callbacks.append(call)
        return self

    def get(self) -> JsonObject:
        """Return the answer's payload, an empty object for none.

        Raises the answer's OSError, EPROTO if it is no JSON object, EAGAIN while there is none:
        nothing waits here.
        """
        msg = self.get_message()
        try:
            data = msg.json() or {}
        except ValueError:
            data = None
        if not isinstance(data, dict):
            raise OSError(errno.EPROTO, f"{self.topic}: the response is not a JSON object")
        return data

    def get_message(self) -> Message:
        """Return the answer itself, for payloads that are not JSON; raises what `get` does."""
        if self._error is not None:
            raise self._error
        if self._message is None:
            text = f"{self.topic} is not answered yet: use then() or await, waiting blocks jobs"
            raise OSError(errno.EAGAIN, text)
        if self._message.errnum:
            raise error_of(self._message)
        return self._message

    def is_ready(self) -> bool:
        """Whether `get` returns or raises what came of the RPC."""
        return self._done.is_set()

    def cancel(self) -> None:
        """Do not wait for the answer any more: callbacks are not called, who awaits it gets
        ECANCELED.
        """
        self._callbacks.clear()
        self.fail(OSError(errno.ECANCELED, f"{self.topic}: nobody waits for the answer"))

    def fulfill(self, message: Message) -> None:
        """The answer is there."""
        if not self.is_ready():
            self._message = message
            self._settle()

    def fail(self, error: OSError) -> None:
        """There will be no answer."""
        if not self.is_ready():
            self._error = error
            self._settle()

    def _settle(self) -> None:
        self._done.set()
        if self.on_settled is not None:
            self.on_settled()
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            self._guard(callback)

    def __await__(self) -> Generator[object, object, JsonObject]:
        try:
            yield from self._done.wait().__await__()
        except asyncio.CancelledError:
            self.cancel()
            raise
        return self.get()
