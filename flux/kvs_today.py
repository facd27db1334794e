"""Transactions and watches of the KVS as today's programs make them; `flux.kvs` has them, too."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, Self

from flux import treeobj
from flux.constants import FLUX_NODEID_ANY, FLUX_RPC_STREAMING
from flux.kvs_flags import WAITCREATE, WATCH, WATCH_FULL, WATCH_UNIQ
from flux.kvs_rpc import commit, decode_value, lookup_request
from flux.kvs_txn import Txn
from flux.kvs_watch import WatchFuture
from flux.rpc import RPC
from flux.wire.text import Text, as_text

if TYPE_CHECKING:
    from types import TracebackType

    from flux.core.handle import Flux
    from flux.future import Future


class KVSTxn:
    """Changes to the KVS that `commit` sends as one, or the end of a ``with`` block that is left
    without an exception.

    Keys are relative to the directory ``path``. Raises ValueError without a handle.
    """

    def __init__(
        self,
        flux_handle: Flux | None = None,
        path: Text = ".",
        namespace: Text | None = None,
    ) -> None:
        if flux_handle is None:
            raise ValueError("flux_handle must be a valid Flux handle")
        self.flux_handle = flux_handle
        self.namespace = namespace
        self.path = as_text(path, "path")
        base = self.path.strip(".")
        self._prefix = f"{base}." if base else ""
        self._txn = Txn()

    @property
    def txn(self) -> Txn:
        """The changes so far."""
        return self._txn

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        type_arg: type[BaseException] | None,
        value: BaseException | None = None,
        tb: TracebackType | None = None,
    ) -> None:
        if type_arg is None:
            self.commit()

    def put(self, key: Text, value: object, raw: bool = False) -> None:
        """Set a key to a value as JSON, or with ``raw`` to bytes as they are."""
        name = self._key(key)
        if raw:
            if not isinstance(value, str | bytes):
                raise TypeError("a raw value is a string or bytes")
            self._txn.put_raw(name, value)
        else:
            self._txn.put(name, value)

    def mkdir(self, key: Text) -> None:
        """Make a key an empty directory."""
        self._txn.mkdir(self._key(key))

    def symlink(self, key: Text, target: Text) -> None:
        """Make a key a link to another."""
        self._txn.symlink(self._key(key), self._key(target))

    def unlink(self, key: Text) -> None:
        """Remove a key, and all below it."""
        self._txn.unlink(self._key(key))

    def clear(self) -> None:
        """Forget the changes."""
        self._txn.clear()

    def commit_async(self, flags: int = 0) -> Future:
        """Send the changes; returns the future of their commit."""
        return commit(self.flux_handle, self._txn.taken(), flags, self.namespace)

    def commit(self, flags: int = 0) -> None:
        """Send the changes, if there are any, and wait; raises OSError."""
        if self._txn:
            self.commit_async(flags).get()

    def _key(self, key: Text) -> str:
        return f"{self._prefix}{as_text(key, 'a key')}"


class KVSWatchFuture(WatchFuture):
    """A watch of a key whose `get` returns one value after the other."""

    def get(self, autoreset: bool = True) -> Any:
        """Return the value of the key, waiting for it, None once the watch was cancelled.

        The value after the next change becomes the current one, unless ``autoreset`` is false.
        Raises OSError(ENOENT) if the key is not, or no longer, there.
        """
        try:
            answer = RPC.get(self)
        except OSError as exc:
            if exc.errno == errno.ENODATA:
                return None
            raise
        if not isinstance(answer, dict) or not isinstance(answer.get("val"), dict):
            raise OSError(errno.EPROTO, "malformed answer to the watch of a key")
        value = decode_value(treeobj.decode_val(answer["val"]))
        if autoreset:
            self.reset()
        return value


def kvs_watch_async(
    flux_handle: Flux,
    key: Text,
    namespace: Text | None = None,
    waitcreate: bool = False,
    uniq: bool = False,
    full: bool = False,
) -> KVSWatchFuture:
    """Watch a key; returns a future to call ``get`` of. The arguments are those of
    `flux.kvs.watch`.
    """
    flags = WATCH | waitcreate * WAITCREATE | uniq * WATCH_UNIQ | full * WATCH_FULL
    topic, body = lookup_request(key, flags, namespace)
    return KVSWatchFuture(flux_handle, topic, body, FLUX_NODEID_ANY, FLUX_RPC_STREAMING)
