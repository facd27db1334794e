"""Applying transactions to a hash tree: a batch of them in, a new root and its blobs out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, TypeVar

from msgspec import Struct, field

from broker.services.kvs.directory import Missing
from broker.services.kvs.draft import Scheme, TreeDraft

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broker.services.kvs.cache import ObjectCache
    from broker.services.kvs.ops import Op
    from flux.dirblob import Entries

# How often a batch starts over because of a transaction that cannot be applied, before it is cut
# there instead.
RESTARTS: Final = 4
T = TypeVar("T")


class Transaction(Struct, Generic[T]):
    """Operations to apply together, and ``origin``, whatever its owner needs to answer them.

    ``alone`` asks for a batch of its own, because one it was in could not be sealed or stored.
    ``lazy`` means that nobody minds when it waits for others.
    """

    ops: list[Op]
    flags: int
    origin: T
    alone: bool = False
    lazy: bool = False


class Result(Struct, Generic[T]):
    """What a batch of transactions led to; ``failed`` pairs those left out with the reason,
    ``rest`` was not tried.
    """

    rootref: str
    applied: list[Transaction[T]]
    failed: list[tuple[Transaction[T], Exception]] = field(default_factory=list)
    rest: list[Transaction[T]] = field(default_factory=list)
    blobs: dict[str, bytes] = field(default_factory=dict)
    directories: dict[str, Entries] = field(default_factory=dict)
    replaced: list[str] = field(default_factory=list)

    def keys(self) -> list[str]:
        """Return the keys the applied transactions mention, each once."""
        return list({op.key: None for txn in self.applied for op in txn.ops})


class TransactionBatch(Generic[T]):
    """Transactions being applied in order to the tree at ``rootref``, which leads to one new root.

    A transaction that cannot be applied is left out whole. If some of its operations had been
    applied by then the batch starts over without it, a few times; then it is cut before that
    transaction, so that no number of bad ones takes more than two passes.
    """

    def __init__(
        self,
        cache: ObjectCache,
        rootref: str,
        namespace: str,
        scheme: Scheme | None = None,
    ) -> None:
        self._cache = cache
        self._rootref = rootref
        self._namespace = namespace
        self._scheme = scheme or Scheme()

    def apply(self, batch: Sequence[Transaction[T]]) -> Result[T]:
        """Apply transactions; raises `Missing`, and from sealing OSError or whatever goes wrong."""
        result: Result[T] = Result(self._rootref, [])
        remaining = list(batch)
        for restart in range(RESTARTS + 2):
            draft = TreeDraft(self._cache.directory, self._rootref, self._namespace, self._scheme)
            result.applied, after = _pass(draft, remaining, result.failed)
            if after is None:
                break
            if restart < RESTARTS:
                remaining = [*result.applied, *after]
            else:
                remaining, result.rest = result.applied, after
        else:
            raise RuntimeError("transactions that could be applied before cannot be any more")
        if result.applied:
            result.rootref = draft.seal()
            result.blobs, result.directories = draft.blobs, draft.directories
            result.replaced = draft.replaced
        return result


def _pass(
    draft: TreeDraft, batch: list[Transaction[T]], failed: list[tuple[Transaction[T], Exception]]
) -> tuple[list[Transaction[T]], list[Transaction[T]] | None]:
    """Apply transactions up to one that fails with some of its operations applied.

    Returns those that were applied, and None or, if the draft is spoilt, those after the spoiler.
    Raises `Missing` with all directories that have to be at hand, so that they are loaded at once.
    """
    applied: list[Transaction[T]] = []
    missing: list[str] = []
    for index, txn in enumerate(batch):
        done, exc = _apply_all(draft, txn.ops, missing)
        if exc is None:
            applied.append(txn)
            continue
        failed.append((txn, exc))
        if done or not isinstance(exc, OSError):
            return applied, batch[index + 1 :]
    if missing:
        raise Missing(missing, directory=True)
    return applied, None


def _apply_all(
    draft: TreeDraft, ops: Sequence[Op], missing: list[str]
) -> tuple[int, Exception | None]:
    """Apply operations; returns how many were before the one that failed, and the exception.

    Directories that were not at hand are added to ``missing``; what fails after one was is not
    believed, for that may be why.
    """
    for done, op in enumerate(ops):
        try:
            draft.apply(op)
        except Missing as exc:
            missing += exc.refs
        except Exception as exc:
            if not missing:
                return done, exc
    return 0, None
