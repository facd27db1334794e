"""Namespaces, merging and fences without a service around them."""

from __future__ import annotations

import errno
from functools import partial

import pytest

from broker.services.kvs.commit import Transaction
from broker.services.kvs.namespace import Fences, Namespace
from flux.kvs_txn import NO_MERGE


def batches(*flags: int) -> list[list[int]]:
    namespace: Namespace[int] = Namespace("primary", 0, "root")
    namespace.pending = [Transaction([], flag, number) for number, flag in enumerate(flags)]
    taken = []
    while batch := namespace.take():
        taken.append([txn.origin for txn in batch])
    return taken


def test_transactions_merge_up_to_one_that_must_not() -> None:
    assert batches() == []
    assert batches(0, 0, 0) == [[0, 1, 2]]
    assert batches(NO_MERGE, NO_MERGE) == [[0], [1]]
    assert batches(0, NO_MERGE, 0, 0) == [[0], [1], [2, 3]]


def test_waiters_are_called_in_time_and_once() -> None:
    namespace: Namespace[int] = Namespace("primary", 0, "root", 5)
    calls: list[tuple[int, OSError | None]] = []

    def note(seq: int, error: OSError | None) -> None:
        calls.append((seq, error))

    for seq in (3, 6, 7):
        namespace.wait(seq, partial(note, seq), "client")
    assert calls == [(3, None)]
    namespace.advance("older", 4)
    assert (namespace.rootref, namespace.syncers) == ("root", 2)
    namespace.advance("newer", 6)
    assert calls == [(3, None), (6, None)]
    namespace.pending.append(Transaction([], 0, 1))
    assert [txn.origin for txn in namespace.remove()] == [1]
    assert calls[2][0] == 7
    assert calls[2][1] is not None
    assert calls[2][1].errno == errno.ENOTSUP


def test_owner_and_instance_owner_may_use_a_namespace() -> None:
    namespace: Namespace[int] = Namespace("ns", 42, "root")
    assert namespace.allows(42, 2)
    assert namespace.allows(1, 1)
    assert not namespace.allows(43, 2)


def test_fence_completes_with_the_last_member() -> None:
    fences: Fences[str] = Fences()
    assert fences.enter("ns", "f", 2, 0, [], "first") is None
    assert fences.enter("ns", "other", 2, 0, [], "alone") is None
    with pytest.raises(OSError) as caught:
        fences.enter("ns", "f", 2, NO_MERGE, [], "wrong")
    assert caught.value.errno == errno.EINVAL
    txn = fences.enter("ns", "f", 2, 0, [], "second")
    assert txn is not None
    assert txn.origin == ["first", "second"]
    with pytest.raises(OSError) as caught:
        fences.enter("ns", "f", 2, 0, [], "too many")
    assert caught.value.errno == errno.EOVERFLOW
    assert fences.drop_namespace("ns") == ["alone"]
    assert len(fences) == 0


def test_a_removed_namespace_forgets_its_fences() -> None:
    fences: Fences[str] = Fences()
    assert fences.enter("ns", "f", 1, 0, [], "only") is not None
    assert fences.drop_namespace("ns") == []
    assert fences.enter("ns", "f", 1, 0, [], "again") is not None
