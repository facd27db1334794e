"""Namespaces: a root and its sequence number, transactions that wait to be applied, and who waits for which sequence number."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from broker.services.kvs.commit import Op, Transaction
from flux.kvs_txn import NO_MERGE
from flux.wire.message import ROLE_OWNER

T = TypeVar("T")
DONE_MAX = 1000  # names of completed fences remembered in a namespace
Waiter = Callable[[OSError | None], None]


class UnknownNamespace(Exception):
    """A namespace this rank has not heard of; another rank may have."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def not_supported(name: str) -> OSError:
    """Return the error for a namespace that does not exist, or no longer; as in flux-core it carries no text of its own."""
    return OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP), name)


class Namespace(Generic[T]):
    """One namespace as this rank sees it. ``T`` is what transactions carry for whoever answers them.

    ``busy`` means that a batch is being stored and no other may be applied; ``removed`` that the namespace is gone.
    """

    def __init__(self, name: str, owner: int, rootref: str, rootseq: int = 0, flags: int = 0) -> None:
        self.name = name
        self.owner = owner
        self.flags = flags
        self.rootref = rootref
        self.rootseq = rootseq
        self.busy = False
        self.removed = False
        self.pending: list[Transaction[T]] = []
        self._waiters: list[tuple[int, Waiter, str]] = []

    def allows(self, userid: int, rolemask: int) -> bool:
        """Tell whether a user may use this namespace: the instance owner and its own owner may."""
        return bool(rolemask & ROLE_OWNER) or userid == self.owner

    def take(self) -> list[Transaction[T]]:
        """Remove and return the transactions to apply next as one: all up to the first that must not be merged."""
        pending = self.pending
        count = next((index for index, txn in enumerate(pending) if txn.flags & NO_MERGE), len(pending))
        if count == 0 and pending:
            count = 1
        self.pending = pending[count:]
        return pending[:count]

    def advance(self, rootref: str, rootseq: int) -> None:
        """Move to a newer root and tell those who waited for it; an older one is ignored."""
        if rootseq < self.rootseq:
            return
        self.rootref, self.rootseq = rootref, rootseq
        if self._waiters:
            due = [waiter for seq, waiter, _ in self._waiters if seq <= rootseq]
            self._waiters = [entry for entry in self._waiters if entry[0] > rootseq]
            for waiter in due:
                waiter(None)

    def wait(self, rootseq: int, waiter: Waiter, sender: str) -> None:
        """Call ``waiter`` once the root's sequence number is at least ``rootseq``, with an error if the namespace is removed.

        ``sender`` is the client it is for, see `forget_sender`.
        """
        if rootseq <= self.rootseq:
            waiter(None)
        else:
            self._waiters.append((rootseq, waiter, sender))

    def forget_sender(self, sender: str) -> None:
        """Forget what a client that went away waits for."""
        if self._waiters:
            self._waiters = [entry for entry in self._waiters if entry[2] != sender]

    @property
    def syncers(self) -> int:
        """How many wait for a sequence number."""
        return len(self._waiters)

    def remove(self) -> list[Transaction[T]]:
        """Mark the namespace as gone; those who wait are told, transactions not applied yet are returned."""
        self.removed = True
        waiters, self._waiters = self._waiters, []
        for _, waiter, _ in waiters:
            waiter(not_supported(self.name))
        pending, self.pending = self.pending, []
        return pending

    def describe(self) -> dict[str, Any]:
        """Return the answer to a getroot request."""
        return {"owner": self.owner, "rootseq": self.rootseq, "rootref": self.rootref, "flags": self.flags}


class _Fence(Generic[T]):
    def __init__(self, nprocs: int, flags: int) -> None:
        self.nprocs = nprocs
        self.flags = flags
        self.ops: list[Op] = []
        self.members: list[T] = []


class Fences(Generic[T]):
    """Collective commits: transactions of several callers under one name become one transaction when the last has arrived."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], _Fence[T]] = {}
        self._done: dict[str, dict[str, None]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def enter(
        self, namespace: str, name: str, nprocs: int, flags: int, ops: list[Op], member: T
    ) -> Transaction[list[T]] | None:
        """Add one caller's operations; returns the combined transaction when ``nprocs`` callers have entered.

        Raises OSError(EINVAL) for a count that is not positive or differs from the other callers', or flags that do; EOVERFLOW for a
        name whose callers have all been.
        """
        if name in self._done.get(namespace, ()):
            raise OSError(errno.EOVERFLOW, f"fence {name} is complete")
        if nprocs < 1:
            raise OSError(errno.EINVAL, "Invalid argument")
        fence = self._open.setdefault((namespace, name), _Fence(nprocs, flags))
        if (fence.nprocs, fence.flags) != (nprocs, flags):
            raise OSError(errno.EINVAL, f"fence {name} was entered with other arguments before")
        fence.ops += ops
        fence.members.append(member)
        if len(fence.members) < nprocs:
            return None
        del self._open[namespace, name]
        done = self._done.setdefault(namespace, {})
        done[name] = None
        if len(done) > DONE_MAX:
            del done[next(iter(done))]
        return Transaction(fence.ops, flags, fence.members)

    def drop_namespace(self, namespace: str) -> list[T]:
        """Forget the open fences of a namespace; returns their callers."""
        self._done.pop(namespace, None)
        gone = [key for key in self._open if key[0] == namespace]
        return [member for key in gone for member in self._open.pop(key).members]
