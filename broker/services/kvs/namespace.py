"""Namespaces: a root and its sequence number, transactions that wait to be applied, and who waits
for which sequence number.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from broker.services.kvs.commit import Transaction
from flux.kvs_limits import BATCH_OPS, OPEN_FENCES, check_fence
from flux.kvs_txn import NO_MERGE, SYNC
from flux.wire.errors import os_error
from flux.wire.message import ROLE_OWNER

if TYPE_CHECKING:
    from broker.services.kvs.ops import Op

T = TypeVar("T")
DONE_MAX = 1000  # names of completed fences remembered in a namespace
Waiter = Callable[[OSError | None], None]


class UnknownNamespace(Exception):
    """A namespace this rank has not heard of; another rank may have."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def not_supported() -> OSError:
    """Return the error for a namespace that does not exist, or no longer; as in flux-core it
    carries no text of its own.
    """
    return os_error(errno.ENOTSUP)


class Namespace(Generic[T]):
    """One namespace as this rank sees it. ``T`` is what transactions carry for whoever answers
    them.

    ``busy`` means that a batch is being stored and no other may be applied; ``removed`` that the
    namespace is gone.
    """

    def __init__(
        self, name: str, owner: int, rootref: str, rootseq: int = 0, flags: int = 0
    ) -> None:
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
        """Remove and return the transactions to apply next as one.

        These are all up to the first that must not be merged, and not many more operations than
        `BATCH_OPS`. Plain ones that came before a durable one go without it, so that they need not
        wait for the disk.
        """
        pending = self.pending
        count = ops = 0
        for txn in pending:
            if txn.alone or txn.flags & NO_MERGE:
                count = count or 1
                break
            if count and (ops > BATCH_OPS or (txn.flags & SYNC and not pending[0].flags & SYNC)):
                break
            ops += len(txn.ops)
            count += 1
        self.pending = pending[count:]
        return pending[:count]

    def put_back(self, batch: list[Transaction[T]]) -> None:
        """Have transactions that `take` returned taken again, before any other."""
        self.pending = [*batch, *self.pending]

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
        """Call ``waiter`` once the root's sequence number is at least ``rootseq``, with an error if
        the namespace is removed.

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

    def dismiss(self, error: OSError) -> None:
        """Give ``error`` to those who wait for a sequence number."""
        waiters, self._waiters = self._waiters, []
        for _, waiter, _ in waiters:
            waiter(error)

    def remove(self) -> list[Transaction[T]]:
        """Mark the namespace as gone; those who wait are told, transactions not applied yet are
        returned.
        """
        self.removed = True
        self.dismiss(not_supported())
        pending, self.pending = self.pending, []
        return pending

    def describe(self) -> dict[str, object]:
        """Return the answer to a getroot request."""
        return {
            "owner": self.owner,
            "rootseq": self.rootseq,
            "rootref": self.rootref,
            "flags": self.flags,
        }

    def figures(self, noops: int) -> dict[str, int]:
        """Return the statistics of the namespace, with the number of blobs that were stored
        already.
        """
        return {
            "#syncers": self.syncers,
            "#no-op stores": noops,
            "#transactions": len(self.pending),
            "#readytransactions": len(self.pending),
            "store revision": self.rootseq,
        }


class _Fence(Generic[T]):
    def __init__(self, nprocs: int, flags: int) -> None:
        self.nprocs = nprocs
        self.flags = flags
        self.ops: list[Op] = []
        self.members: list[T] = []


class Fences(Generic[T]):
    """Collective commits: transactions of several callers under one name become one transaction
    when the last has arrived.
    """

    def __init__(self) -> None:
        self._open: dict[str, dict[str, _Fence[T]]] = {}
        self._done: dict[str, dict[str, None]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._open.values()))

    def enter(
        self, namespace: str, name: str, nprocs: int, flags: int, ops: list[Op], member: T
    ) -> Transaction[list[T]] | None:
        """Add one caller's operations; returns the combined transaction when ``nprocs`` callers
        have entered.

        Raises OSError(EINVAL) for a count that is out of range or differs from the other callers',
        or flags that do; ENAMETOOLONG for a long name; EOVERFLOW for a name whose callers have all
        been; ENOSPC if too many fences of the namespace are open.
        """
        check_fence(name, nprocs)
        if name in self._done.get(namespace, ()):
            raise OSError(errno.EOVERFLOW, f"fence {name} is complete")
        opened = self._open.setdefault(namespace, {})
        fence = opened.get(name)
        if fence is None:
            if nprocs > 1 and len(opened) >= OPEN_FENCES:
                raise OSError(
                    errno.ENOSPC,
                    f"{OPEN_FENCES} fences of this namespace wait for participants already",
                )
            fence = opened[name] = _Fence(nprocs, flags)
        elif (fence.nprocs, fence.flags) != (nprocs, flags):
            raise OSError(errno.EINVAL, f"fence {name} was entered with other arguments before")
        fence.ops += ops
        fence.members.append(member)
        if len(fence.members) < nprocs:
            return None
        del opened[name]
        done = self._done.setdefault(namespace, {})
        done[name] = None
        if len(done) > DONE_MAX:
            del done[next(iter(done))]
        return Transaction(fence.ops, flags, fence.members)

    def pending(self) -> list[Op]:
        """Return the operations of all fences whose last caller has not come yet."""
        return [
            op for opened in self._open.values() for fence in opened.values() for op in fence.ops
        ]

    def drop_namespace(self, namespace: str) -> list[T]:
        """Forget the open fences of a namespace; returns their callers."""
        self._done.pop(namespace, None)
        return [
            member for fence in self._open.pop(namespace, {}).values() for member in fence.members
        ]
