"""The hash tree behaves like nested dictionaries, whatever the operations and however they are
batched.
"""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from broker.services.kvs import commit, directory
from broker.services.kvs.cache import ObjectCache
from broker.services.kvs.commit import Result, Transaction, TransactionBatch
from broker.services.kvs.directory import Missing
from broker.services.kvs.lookup import lookup
from broker.services.kvs.ops import parse_ops
from flux import treeobj
from flux.kvs_txn import READDIR, Txn
from flux.wire import json

names = st.sampled_from(["a", "b", "c"])
keys = st.lists(names, min_size=1, max_size=4).map(".".join)
values = st.one_of(st.binary(max_size=8), st.binary(min_size=60, max_size=200))
operations = st.one_of(
    st.tuples(st.just("put"), keys, values),
    st.tuples(st.just("append"), keys, values),
    st.tuples(st.just("mkdir"), keys, st.just(b"")),
    st.tuples(st.just("unlink"), keys, st.just(b"")),
)
transactions = st.lists(operations, min_size=1, max_size=5)
Model = dict[str, Any]


class Refused(Exception):
    """The model refuses a transaction."""


def apply_to_model(model: Model, operation: tuple[str, str, bytes]) -> None:
    kind, key, value = operation
    *parents, name = key.split(".")
    node = model
    for parent in parents:
        child = node.get(parent)
        if not isinstance(child, dict):
            if kind == "unlink":
                return
            child = node[parent] = {}
        node = child
    if kind == "put":
        node[name] = value
    elif kind == "mkdir":
        node[name] = {}
    elif kind == "unlink":
        node.pop(name, None)
    elif isinstance(node.get(name), dict):
        raise Refused
    else:
        node[name] = node.get(name, b"") + value


def copy_of(model: Model) -> Model:
    return {name: copy_of(item) if isinstance(item, dict) else item for name, item in model.items()}


class Store:
    """A hash tree whose cache may forget anything at any time."""

    def __init__(self) -> None:
        blob = json.dumps(treeobj.directory())
        self.root = treeobj.blobref(blob)
        self.blobs = {self.root: blob}
        self.cache = ObjectCache()

    def load(self, missing: Missing) -> None:
        for ref in missing.refs:
            if missing.directory:
                self.cache.load_directory(ref, self.blobs[ref])
            else:
                self.cache.add_value(ref, self.blobs[ref])

    def commit(self, batch: list[Transaction[int]]) -> list[int]:
        """Apply a batch, and what it left for the next; returns the transactions that failed."""
        failed: list[int] = []
        while batch:
            result = self._commit(batch)
            assert [*result.applied, *result.failed, *result.rest]
            failed += [txn.origin for txn, _ in result.failed]
            batch = result.rest
        return failed

    def _commit(self, batch: list[Transaction[int]]) -> Result[int]:
        while True:
            try:
                result = TransactionBatch[int](self.cache, self.root, "primary").apply(batch)
                break
            except Missing as missing:
                self.load(missing)
        for ref, blob in result.blobs.items():
            assert treeobj.blobref(blob) == ref
        self.blobs.update(result.blobs)
        self.root = result.rootref
        return result

    def read(self, key: str, flags: int) -> treeobj.TreeObj:
        while True:
            try:
                return lookup(
                    self.cache, treeobj.dirref(self.root), key, flags, lambda name: self.root
                )
            except Missing as missing:
                self.load(missing)

    def contents(self, key: str = ".") -> Model:
        found: Model = {}
        for name, obj in self.read(key, READDIR)["data"].items():
            path = name if key == "." else f"{key}.{name}"
            if obj["type"] in ("dir", "dirref"):
                found[name] = self.contents(path)
            else:
                found[name] = treeobj.decode_val(self.read(path, 0))
        return found


def transaction(number: int, operations: list[tuple[str, str, bytes]]) -> Transaction[int]:
    txn = Txn()
    for kind, key, value in operations:
        if kind == "put":
            txn.put_raw(key, value)
        elif kind == "append":
            txn.append(key, value)
        elif kind == "mkdir":
            txn.mkdir(key)
        else:
            txn.unlink(key)
    return Transaction(parse_ops(txn.ops), 0, number)


@settings(max_examples=120, deadline=None)
@given(
    st.sampled_from([1024, 0, 1]),
    st.sampled_from([0, 1, 3]),
    st.sampled_from([0, 1, 4]),
    st.lists(st.tuples(st.lists(transactions, min_size=1, max_size=6), st.booleans()), max_size=6),
)
def test_same_as_dictionaries(
    split_at: int,
    merge_at: int,
    restarts: int,
    batches: list[tuple[list[list[tuple[str, str, bytes]]], bool]],
) -> None:
    with (
        patch.multiple(directory, LEAF_MAX=split_at, BUCKETS=2, MERGE_AT=merge_at),
        patch.object(commit, "RESTARTS", restarts),
    ):
        store = Store()
        model: Model = {}
        for batch, forget in batches:
            model, expected_failures = outcome(model, batch)
            if forget:
                store.cache.clear()
            failed = store.commit(
                [transaction(number, operations) for number, operations in enumerate(batch)]
            )
            assert failed == expected_failures
        assert store.contents() == model


def outcome(model: Any, batch: list[list[tuple[str, str, bytes]]]) -> tuple[Any, list[int]]:
    """Return what the dictionaries hold after a batch, and which of its transactions are
    refused.
    """
    refused = []
    for number, operations in enumerate(batch):
        attempt = copy_of(model)
        try:
            for operation in operations:
                apply_to_model(attempt, operation)
            model = attempt
        except Refused:
            refused.append(number)
    return model, refused


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(names, values), st.randoms())
def test_equal_trees_have_equal_roots(contents: dict[str, bytes], random: Any) -> None:
    roots = set()
    for _ in range(2):
        store = Store()
        items = list(contents.items())
        random.shuffle(items)
        for number, (name, value) in enumerate(items):
            store.commit([transaction(number, [("put", f"d.{name}", value)])])
        roots.add(store.root)
        assert store.contents() == ({"d": contents} if contents else {})
    assert len(roots) == 1
