"""Names beyond the bounds of the key-value store are refused, by clients already."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import pytest

from flux import kvs_limits as limits
from flux import treeobj
from flux.kvs_txn import Txn

if TYPE_CHECKING:
    from collections.abc import Callable

DEEPEST = ".".join("a" * limits.KEY_DEPTH)


def nested(depth: int) -> treeobj.TreeObj:
    """Return a directory of ``depth`` directories in one another."""
    obj = treeobj.directory()
    for _ in range(depth - 1):
        obj = treeobj.directory({"d": obj})
    return obj


def errnum(work: Callable[[], Any]) -> int:
    with pytest.raises(OSError) as caught:
        work()
    assert (caught.value.strerror or "").encode().strip()
    return caught.value.errno or 0


@pytest.mark.parametrize(
    ("key", "number"),
    [
        ("k" * (limits.KEY_BYTES + 1), errno.ENAMETOOLONG),
        ("é" * (limits.KEY_BYTES // 2 + 1), errno.ENAMETOOLONG),
        (DEEPEST + ".a", errno.ENAMETOOLONG),
        ("a" + "." * 5000, errno.ENAMETOOLONG),
        ("a\0b", errno.EINVAL),
        ("a.\ud800", errno.EINVAL),
        ("\udcff", errno.EINVAL),
    ],
)
def test_keys(key: str, number: int) -> None:
    assert errnum(lambda: limits.check_key(key)) == number
    assert errnum(lambda: limits.check_target(key)) == number
    assert errnum(lambda: treeobj.check(treeobj.symlink(key))) == number
    if "." * 10 not in key:  # which a transaction drops
        assert errnum(lambda: Txn().put_raw(key, "")) == number
        assert errnum(lambda: Txn().symlink("link", key)) == number


@pytest.mark.parametrize(
    "key", [DEEPEST, "k" * limits.KEY_BYTES, "é" * (limits.KEY_BYTES // 2), "日本.\U0001f600", "."]
)
def test_keys_within_the_bounds(key: str) -> None:
    limits.check_key(key)
    assert len(Txn().put_raw(key, "").symlink("link", key)) == 2


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("n" * (limits.NAME_BYTES + 1), errno.ENAMETOOLONG),
        ("", errno.EINVAL),
        ("two words", errno.EINVAL),
        ("tab\t", errno.EINVAL),
        ("\x1b[31m", errno.EINVAL),
        ("n\0", errno.EINVAL),
        ("\udfff", errno.EINVAL),
    ],
)
def test_namespaces(name: str, number: int) -> None:
    assert errnum(lambda: limits.check_namespace(name)) == number
    assert errnum(lambda: Txn().symlink("a", "b", name)) == number


def test_namespaces_within_the_bounds() -> None:
    for name in ("primary", "job-23422222", "n" * limits.NAME_BYTES, "ünï/:@"):
        limits.check_namespace(name)
        assert len(Txn().symlink("a", "b", name)) == 1


@pytest.mark.parametrize("nprocs", [0, -1, limits.FENCE_PROCS + 1, 10**30])
def test_fences(nprocs: int) -> None:
    assert errnum(lambda: limits.check_fence("f", nprocs)) == errno.EINVAL
    assert errnum(lambda: limits.check_fence("f" * 256, 1)) == errno.ENAMETOOLONG
    limits.check_fence("f", limits.FENCE_PROCS)


@pytest.mark.parametrize("depth", [limits.TREEOBJ_DEPTH + 1, 500, 50_000])
def test_tree_objects_nested_too_deep(depth: int) -> None:
    obj = nested(depth)
    assert errnum(lambda: treeobj.check(obj)) == errno.EINVAL
    assert errnum(lambda: treeobj.check_entries({"name": obj})) == errno.EINVAL
    while obj["data"]:  # or Python's collector recurses
        obj = obj["data"].pop("d")


def test_tree_objects_nested_as_deep_as_may_be() -> None:
    obj = nested(limits.TREEOBJ_DEPTH)
    assert treeobj.check(obj) == obj
    assert treeobj.check_entries(obj["data"]) is obj["data"]


@pytest.mark.parametrize(
    "obj",
    [
        None,
        [],
        {},
        {"ver": 1, "type": [], "data": ""},
        {"ver": 1, "type": {"a": 1}, "data": ""},
        {"ver": 1, "type": "\ud800", "data": ""},
        {"ver": 1, "type": "val", "data": None},
        {"ver": 1, "type": "val", "data": ["QQ=="]},
        {"ver": 1, "type": "valref", "data": []},
        {"ver": 1, "type": "dirref", "data": ["sha1-xyz"]},
        {"ver": 1, "type": "dirref", "data": [["sha1"]]},
        {"ver": 1, "type": "dir", "data": []},
        {"ver": 1, "type": "symlink", "data": "a"},
        {"ver": 1, "type": "symlink", "data": {"target": ""}},
        {"ver": 1, "type": "symlink", "data": {"target": "a", "namespace": ["n"]}},
        {"ver": [1], "type": "val", "data": ""},
    ],
)
def test_what_is_no_tree_object(obj: Any) -> None:
    assert errnum(lambda: treeobj.check(obj)) == errno.EINVAL
    assert errnum(lambda: treeobj.check_entries({"name": obj})) == errno.EINVAL
    assert (
        errnum(lambda: treeobj.check({"ver": 1, "type": "dir", "data": {"name": obj}}))
        == errno.EINVAL
    )
