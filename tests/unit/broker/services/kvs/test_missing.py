"""A batch names every directory it lacks at once, so that a large one does not start over for each
of them.
"""

from __future__ import annotations

import pytest

from broker.services.kvs.cache import ObjectCache
from broker.services.kvs.commit import Transaction, TransactionBatch
from broker.services.kvs.directory import Missing
from broker.services.kvs.ops import parse_ops
from flux import treeobj
from flux.kvs_txn import APPEND

EMPTY = treeobj.directory()


def _ops(keys: list[str]) -> list[dict[str, object]]:
    return [{"key": key, "flags": APPEND, "dirent": treeobj.val(key.encode())} for key in keys]


def test_all_missing_directories_are_named_together() -> None:
    cache = ObjectCache()
    keys = [f"job{number}.eventlog" for number in range(20)]
    first = TransactionBatch[None](cache, _root(cache), "primary").apply(
        [Transaction(parse_ops(_ops(keys)), 0, None)]
    )
    root = first.rootref
    fresh = ObjectCache()
    rounds = []
    while True:
        try:
            TransactionBatch[None](fresh, root, "primary").apply(
                [Transaction(parse_ops(_ops(keys)), 0, None)]
            )
            break
        except Missing as missing:
            rounds.append(len(set(missing.refs)))
            for ref in missing.refs:
                fresh.load_directory(ref, first.blobs[ref])
    assert len(rounds) <= 3
    assert max(rounds) == 20


def _root(cache: ObjectCache) -> str:
    from flux.wire import json

    blob = json.dumps(EMPTY)
    ref = treeobj.blobref(blob)
    cache.load_directory(ref, blob)
    return ref


def test_a_malformed_transaction_fails_alone() -> None:
    cache = ObjectCache()
    root = _root(cache)
    good = Transaction(parse_ops(_ops(["a"])), 0, "good")
    bad = Transaction(
        parse_ops([*_ops(["d.x"]), {"key": "d", "flags": APPEND, "dirent": treeobj.val(b"x")}]),
        0,
        "bad",
    )
    result = TransactionBatch[str](cache, root, "primary").apply([bad, good])
    assert [txn.origin for txn in result.applied] == ["good"]
    assert [txn.origin for txn, _ in result.failed] == ["bad"]
    with pytest.raises(Missing):
        TransactionBatch[str](ObjectCache(), root, "primary").apply([good])
