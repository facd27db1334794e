"""Changes of the key-value store that are collected on a handle until they are committed; they are
part of ``flux.kvs``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from flux.kvs_rpc import commit as send_txn
from flux.kvs_rpc import namespace_of
from flux.kvs_txn import Txn
from flux.wire.text import as_integer

if TYPE_CHECKING:
    from flux.core.handle import Flux
    from flux.future import Future
    from flux.wire.text import Text

_pending: WeakKeyDictionary[Flux, dict[str, Txn]] = WeakKeyDictionary()
"""What was put and not committed, by handle and namespace."""


def _txn(flux_handle: Flux, namespace: Text | None = None) -> Txn:
    spaces = _pending.setdefault(flux_handle, {})
    return spaces.setdefault(namespace_of(namespace), Txn())


def take_pending(flux_handle: Flux, namespace: str) -> Txn:
    """Return what was put in a namespace and not committed, which is forgotten."""
    return _pending.get(flux_handle, {}).pop(namespace, Txn())


def put(
    flux_handle: Flux,
    key: Text,
    value: object,
    namespace: Text | None = None,
    raw: bool = False,
) -> None:
    """Set ``key``, at the next `commit`, to ``value`` as JSON, or as it is if it is bytes, or text
    and ``raw``; raises TypeError for anything else.
    """
    if isinstance(value, bytes | bytearray):
        _txn(flux_handle, namespace).put_raw(key, bytes(value))
    elif raw:
        if not isinstance(value, str):
            raise TypeError("a raw value is a string or bytes")
        _txn(flux_handle, namespace).put_raw(key, value)
    else:
        _txn(flux_handle, namespace).put(key, value)


def put_mkdir(flux_handle: Flux, key: Text, namespace: Text | None = None) -> None:
    """Make ``key`` an empty directory at the next `commit`."""
    _txn(flux_handle, namespace).mkdir(key)


def put_unlink(flux_handle: Flux, key: Text, namespace: Text | None = None) -> None:
    """Remove ``key``, and all below it, at the next `commit`."""
    _txn(flux_handle, namespace).unlink(key)


def put_symlink(
    flux_handle: Flux,
    key: Text,
    target: Text,
    namespace: Text | None = None,
    target_namespace: Text | None = None,
) -> None:
    """Make ``key`` a link to ``target``, in ``target_namespace`` if given, at the next
    `commit`.
    """
    _txn(flux_handle, namespace).symlink(key, target, target_namespace)


def commit(flux_handle: Flux, flags: int = 0, namespace: Text | None = None) -> int:
    """Send what was put since the last commit and wait for it; returns 0.

    It is one transaction for each namespace that something was put in; with ``namespace`` only that
    one is committed. Flags: NO_MERGE, SYNC. Without changes there is nothing to send. The changes
    are forgotten if it fails, with an OSError.
    """
    as_integer(flags, "flags")
    spaces = _pending.get(flux_handle, {})
    names = list(spaces) if namespace is None else [namespace_of(namespace)]
    waiting = [
        send_txn(flux_handle, txn, flags, name) for name in names if (txn := spaces.pop(name, None))
    ]
    for future in waiting:
        future.get()
    return 0


def commit_async(
    flux_handle: Flux, flags: int = 0, namespace: Text | None = None, txn: Txn | None = None
) -> Future:
    """Send what was put in a namespace since the last commit, or the transaction ``txn``; returns
    the future of the commit, whose ``get`` raises OSError. Flags as for `commit`.
    """
    as_integer(flags, "flags")
    space = namespace_of(namespace)
    changes = take_pending(flux_handle, space) if txn is None else txn
    return send_txn(flux_handle, changes, flags, space)
