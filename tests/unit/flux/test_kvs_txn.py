"""Building transactions; the operations are those of the recorded commands."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from flux import treeobj
from flux.kvs_txn import Txn, normalize

if TYPE_CHECKING:
    from collections.abc import Callable


def test_operations_as_recorded() -> None:
    txn = Txn().put_raw("a.b", "hello").mkdir("d1").unlink("a2").append("x", b"3")
    txn.symlink("lnk", "a.b").symlink("lnk2", "a.b", "other")
    assert txn.ops == [
        {"key": "a.b", "flags": 0, "dirent": {"ver": 1, "type": "val", "data": "aGVsbG8="}},
        {"key": "d1", "flags": 0, "dirent": {"ver": 1, "type": "dir", "data": {}}},
        {"key": "a2", "flags": 0, "dirent": None},
        {"key": "x", "flags": 32, "dirent": {"ver": 1, "type": "val", "data": "Mw=="}},
        {
            "key": "lnk",
            "flags": 0,
            "dirent": {"ver": 1, "type": "symlink", "data": {"target": "a.b"}},
        },
        {
            "key": "lnk2",
            "flags": 0,
            "dirent": {
                "ver": 1,
                "type": "symlink",
                "data": {"namespace": "other", "target": "a.b"},
            },
        },
    ]
    assert len(txn) == 6
    txn.clear()
    assert not txn


def test_put_encodes_json() -> None:
    dirent = Txn().put("k", {"a": [1, None]}).ops[0]["dirent"]
    assert dirent is not None
    assert treeobj.decode_val(dirent) == b'{"a":[1,null]}'


@pytest.mark.parametrize(
    ("key", "normal"),
    [("a.b", "a.b"), (".a", "a"), ("a.", "a"), ("a...b", "a.b"), (".", "."), ("...", ".")],
)
def test_normalize(key: str, normal: str) -> None:
    assert normalize(key) == normal


@pytest.mark.parametrize(
    "call",
    [
        lambda: normalize(""),
        lambda: Txn().put("", 1),
        lambda: Txn().unlink(""),
        lambda: Txn().symlink("a", ""),
        lambda: Txn().put_treeobj("a", {"type": "val"}),
    ],
)
def test_refused(call: Callable[[], object]) -> None:
    with pytest.raises(OSError) as caught:
        call()
    assert caught.value.errno == errno.EINVAL
