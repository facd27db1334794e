"""The directories on the way to many keys: each is looked at once, a level at a time."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from broker.services.kvs.cache import ObjectCache
from broker.services.kvs.commit import Transaction, TransactionBatch
from broker.services.kvs.ops import parse_ops
from broker.services.kvs.way import missing_on_the_way
from flux import treeobj
from flux.kvs_txn import put_op
from flux.wire import json

if TYPE_CHECKING:
    from flux.dirblob import Entries

KEYS = [f"job.0000.{upper:04x}.{lower:04x}.eventlog" for upper in range(4) for lower in range(300)]
PATHS = [key.split(".") for key in KEYS]


def made() -> tuple[str, dict[str, bytes]]:
    """Return the root of a tree with the keys, and its blobs."""
    cache = ObjectCache()
    empty = json.dumps(treeobj.directory())
    ref = treeobj.blobref(empty)
    cache.load_directory(ref, empty)
    ops = parse_ops([put_op(key, key.encode()) for key in KEYS])
    result = TransactionBatch[None](cache, ref, "primary").apply([Transaction(ops, 0, None)])
    return result.rootref, result.blobs


class Counting:
    """A cache that counts who is looked for."""

    def __init__(self) -> None:
        self.cache = ObjectCache(1 << 30)
        self.looks: Counter[str] = Counter()

    def find(self, ref: str) -> Entries | None:
        self.looks[ref] += 1
        return self.cache.directory(ref)


def test_all_of_a_level_is_named_at_once() -> None:
    root, blobs = made()
    counting = Counting()
    rounds = []
    while refs := missing_on_the_way(root, PATHS, counting.find):
        rounds.append(len(refs))
        for ref in refs:
            counting.cache.load_directory(ref, blobs[ref])
    assert len(rounds) <= 6, "root, job, 0000, the hashed ones and their buckets, the jobs"
    assert rounds[-1] == len(KEYS)
    assert TransactionBatch[None](counting.cache, root, "primary").apply(
        [Transaction(parse_ops([put_op(key, b"y") for key in KEYS]), 0, None)]
    ), "nothing more is needed"


def test_a_directory_that_is_missing_is_looked_for_once_however_many_keys_are_in_it() -> None:
    root, _ = made()
    counting = Counting()
    assert missing_on_the_way(root, PATHS, counting.find) == [root]
    assert counting.looks.total() == 1


def test_what_is_no_directory_ends_the_way() -> None:
    root, blobs = made()
    counting = Counting()
    for ref, blob in blobs.items():
        if blob.startswith(b"{"):
            counting.cache.load_directory(ref, blob)
    odd = [[*PATHS[0], "below", "a", "value"], ["nothing", "there"], ["job"]]
    assert missing_on_the_way(root, odd, counting.find) == []
