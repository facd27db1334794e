"""Changes of the key-value store that are collected on a handle until they are committed; they are
part of ``flux.kvs``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol
from weakref import WeakKeyDictionary

from flux.kvs_rpc import commit as send_txn
from flux.kvs_rpc import namespace_of
from flux.kvs_txn import Txn
from flux.wire.text import as_integer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flux.core.handle import Flux
    from flux.future import Future
    from flux.wire.text import Text

_pending: WeakKeyDictionary[Flux, dict[str | None, Txn]] = WeakKeyDictionary()
"""What was put and not committed, by handle and namespace; None is whichever is committed."""


class Changes(Protocol):
    """Something that has a transaction: a `flux.kvs.KVSTxn`."""

    @property
    def txn(self) -> Txn:
        """The changes so far."""


def changes_of(changes: object, argument: str = "_kvstxn") -> Txn:
    """Return the transaction of what programs pass on as one, as ``argument``; raises TypeError if
    it is none.
    """
    found = changes if isinstance(changes, Txn) else getattr(changes, "txn", None)
    if not isinstance(found, Txn):
        kind = type(changes).__name__
        raise TypeError(f"{argument} must be a transaction, a KVSTxn or Txn, not {kind}")
    return found


def _txn(flux_handle: Flux, namespace: Text | Changes | None, changes: object = None) -> Txn:
    """Return what changes are added to: ``changes``, which may come in the place of a namespace, or
    those of the handle.
    """
    if namespace is not None and not isinstance(namespace, str | bytes):
        # Where flux-core's functions have the transaction, for they have no namespace.
        return changes_of(namespace, "namespace, which is no text,")
    if changes is not None:
        return changes_of(changes)
    spaces = _pending.setdefault(flux_handle, {})
    return spaces.setdefault(None if namespace is None else namespace_of(namespace), Txn())


def take_pending(flux_handle: Flux, namespace: str) -> Txn:
    """Return what was put in a namespace and not committed, which is forgotten."""
    unnamed = None if namespace == namespace_of(None) else namespace
    return _take(flux_handle, dict.fromkeys((unnamed, namespace)))


def _take(flux_handle: Flux, names: Iterable[str | None]) -> Txn:
    spaces = _pending.get(flux_handle, {})
    taken = Txn()
    for name in names:
        taken.ops += spaces.pop(name, Txn()).ops
    return taken


def put(
    flux_handle: Flux,
    key: Text,
    value: object,
    namespace: Text | Changes | None = None,
    raw: bool = False,
    _kvstxn: Changes | Txn | None = None,
) -> None:
    """Set ``key``, at the next `commit`, to ``value`` as JSON, or as it is if it is bytes, or text
    and ``raw``; raises TypeError for anything else.

    With ``_kvstxn``, a transaction, it is the commit of that one, here as in the functions below.
    """
    txn = _txn(flux_handle, namespace, _kvstxn)
    if isinstance(value, bytes | bytearray):
        txn.put_raw(key, bytes(value))
    elif raw:
        if not isinstance(value, str):
            raise TypeError("a raw value is a string or bytes")
        txn.put_raw(key, value)
    else:
        txn.put(key, value)


def put_mkdir(
    flux_handle: Flux,
    key: Text,
    namespace: Text | Changes | None = None,
    _kvstxn: Changes | Txn | None = None,
) -> None:
    """Make ``key`` an empty directory at the next `commit`."""
    _txn(flux_handle, namespace, _kvstxn).mkdir(key)


def put_unlink(
    flux_handle: Flux,
    key: Text,
    namespace: Text | Changes | None = None,
    _kvstxn: Changes | Txn | None = None,
) -> None:
    """Remove ``key``, and all below it, at the next `commit`."""
    _txn(flux_handle, namespace, _kvstxn).unlink(key)


def put_symlink(
    flux_handle: Flux,
    key: Text,
    target: Text,
    namespace: Text | Changes | None = None,
    target_namespace: Text | None = None,
    _kvstxn: Changes | Txn | None = None,
) -> None:
    """Make ``key`` a link to ``target``, in ``target_namespace`` if given, at the next
    `commit`.
    """
    _txn(flux_handle, namespace, _kvstxn).symlink(key, target, target_namespace)


def commit(
    flux_handle: Flux,
    flags: int = 0,
    namespace: Text | None = None,
    _kvstxn: Changes | Txn | None = None,
) -> int:
    """Send what was put since the last commit and wait for it; returns 0.

    It is one transaction for each namespace that something was put in. With ``namespace`` only what
    was put there is committed, or, if nothing was, there what was put without a namespace. With
    ``_kvstxn`` it is the changes of that transaction, which is empty then. Flags: NO_MERGE, SYNC.
    Without changes there is nothing to send. The changes are forgotten if it fails, with an
    OSError.
    """
    as_integer(flags, "flags")
    if _kvstxn is not None or namespace is not None:
        space = namespace_of(namespace)
        taken = _changes(flux_handle, namespace, _kvstxn)
        if taken:
            send_txn(flux_handle, taken, flags, space).get()
        return 0
    waiting = [
        send_txn(flux_handle, txn, flags, namespace_of(name))
        for name, txn in _pending.pop(flux_handle, {}).items()
        if txn
    ]
    for future in waiting:
        future.get()
    return 0


def commit_async(
    flux_handle: Flux,
    flags: int = 0,
    namespace: Text | None = None,
    txn: Changes | Txn | None = None,
    _kvstxn: Changes | Txn | None = None,
) -> Future:
    """Send what was put in a namespace since the last commit, or the transaction ``txn``, which
    ``_kvstxn`` is another name for; returns the future of the commit, whose ``get`` raises OSError.
    Flags as for `commit`.
    """
    as_integer(flags, "flags")
    if isinstance(txn, Txn):
        changes = txn
    elif txn is not None:
        changes = changes_of(txn, "txn").taken()
    else:
        changes = _changes(flux_handle, namespace, _kvstxn)
    return send_txn(flux_handle, changes, flags, namespace_of(namespace))


def _changes(flux_handle: Flux, namespace: Text | None, changes: object) -> Txn:
    """Return what is to be sent, which is pending no more."""
    if changes is None:
        space = namespace_of(namespace)
        return _take(flux_handle, (space,)) or _take(flux_handle, (None,))
    return changes_of(changes).taken()
