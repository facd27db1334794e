"""Watching keys of the key-value store (flux_kvs_lookup(3))."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flux.constants import FLUX_RPC_STREAMING
from flux.kvs_flags import WAITCREATE, WATCH, WATCH_APPEND, WATCH_FULL, WATCH_UNIQ
from flux.kvs_rpc import decode_value, lookup_cancel, lookup_request, value_of
from flux.rpc import RPC
from flux.wire.message import NODEID_ANY
from flux.wire.text import as_seconds

if TYPE_CHECKING:
    from collections.abc import Generator

    from flux.core.handle import Flux
    from flux.wire.json import JsonObject
    from flux.wire.text import Text


class WatchFuture(RPC):
    """A watch of a key; `get_value` returns one value after the other."""

    def get_raw(self, autoreset: bool = True) -> bytes:
        """Return the value as bytes; otherwise as `get_value`."""
        data = value_of(self)
        if autoreset:
            self.reset()
        return data

    def get_value(self, autoreset: bool = True) -> Any:
        """Return the value of the key, as `flux.kvs.get` does, waiting for it.

        The value after the next change becomes the current one, unless ``autoreset`` is false: then
        the same is returned again until ``reset`` is called. Raises OSError: ENODATA once the watch
        was cancelled, ENOENT if the key is not, or no longer, there.
        """
        return decode_value(self.get_raw(autoreset))

    def cancel(self, stop: bool = False) -> None:
        """Ask for the end of the watch; it ends with ENODATA. With ``stop`` its ``then`` callback
        is not called any more.
        """
        lookup_cancel(self)
        if stop:
            super().cancel()


def _flags(*, waitcreate: bool, full: bool, uniq: bool, append: bool) -> int:
    return (
        WATCH
        | (WAITCREATE if waitcreate else 0)
        | (WATCH_FULL if full else 0)
        | (WATCH_UNIQ if uniq else 0)
        | (WATCH_APPEND if append else 0)
    )


def watch_async(
    flux_handle: Flux,
    key: Text,
    *,
    namespace: Text | None = None,
    waitcreate: bool = False,
    full: bool = False,
    uniq: bool = False,
    append: bool = False,
) -> WatchFuture:
    """Watch ``key``; returns a future to call ``get_value`` of, from its ``then`` callback for
    instance. The arguments are those of `watch`.
    """
    flags = _flags(waitcreate=waitcreate, full=full, uniq=uniq, append=append)
    topic, body = lookup_request(key, flags, namespace)
    return WatchFuture(flux_handle, topic, body, NODEID_ANY, FLUX_RPC_STREAMING)


def watch(
    flux_handle: Flux,
    key: Text,
    *,
    namespace: Text | None = None,
    waitcreate: bool = False,
    full: bool = False,
    uniq: bool = False,
    append: bool = False,
    timeout: float = -1.0,
) -> Generator[Any, None, None]:
    """Yield the value of ``key``, and its new value after each change.

    With ``waitcreate`` the key, and its namespace, may yet have to be created. ``full`` has changes
    noticed that come about by another key, a directory above it for instance; ``uniq`` leaves out
    values that are the same as before; ``append`` yields what was appended. The watch is cancelled
    when the iteration is left. Raises OSError: ENOENT if the key is not, or no longer, there;
    ETIMEDOUT when no value has come for ``timeout`` seconds, unless that is negative.
    """
    seconds = as_seconds(timeout, "timeout")
    flags = _flags(waitcreate=waitcreate, full=full, uniq=uniq, append=append)
    topic, body = lookup_request(key, flags, namespace)  # now, not when the first value is asked
    return _values(flux_handle, topic, body, seconds)


def _values(
    flux_handle: Flux, topic: str, body: JsonObject, timeout: float
) -> Generator[Any, None, None]:
    future = WatchFuture(flux_handle, topic, body, NODEID_ANY, FLUX_RPC_STREAMING)
    try:
        while True:
            yield future.wait_for(timeout).get_value()
    finally:
        if not future.has_error():
            future.cancel()
            RPC.cancel(future)
