"""RFC 11 objects and RFC 10 blobrefs."""

from __future__ import annotations

import errno
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flux import treeobj
from flux.wire import json

REF = "sha1-" + "a" * 40


def test_blobref_of_recorded_blob() -> None:
    assert treeobj.blobref(b"hello\n") == "sha1-f572d396fae9206628714fb2ce00f72e94f2258f"
    assert treeobj.blobref(b"", "sha256").startswith("sha256-e3b0c442")


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        (REF, True),
        ("sha256-" + "0" * 64, True),
        ("sha1-" + "A" * 40, False),
        ("sha1-" + "a" * 39, False),
        ("md5-" + "a" * 32, False),
        ("notablob", False),
        ("", False),
        (7, False),
    ],
)
def test_is_blobref(text: object, valid: bool) -> None:
    assert treeobj.is_blobref(text) is valid


@given(st.binary())
def test_values_round_trip(data: bytes) -> None:
    obj = treeobj.val(data)
    assert treeobj.check(json.loads(json.dumps(obj))) == obj
    assert treeobj.decode_val(obj) == data


@pytest.mark.parametrize(
    "obj",
    [
        treeobj.val(b"x"),
        treeobj.valref([REF, REF]),
        treeobj.dirref(REF),
        treeobj.symlink("a.b"),
        treeobj.symlink("a.b", "ns"),
        treeobj.directory({"b": treeobj.val(b""), "a": treeobj.directory()}),
    ],
)
def test_check_keeps_valid_objects(obj: dict[str, Any]) -> None:
    assert treeobj.check(dict(reversed(obj.items()))) == obj
    assert json.dumps(treeobj.check({**obj, "extra": 1})) == json.dumps(treeobj.check(obj))


def test_check_sorts_names() -> None:
    obj = treeobj.check(
        {"ver": 1, "type": "dir", "data": {"b": treeobj.val(b""), "a": treeobj.val(b"")}}
    )
    assert list(obj) == ["data", "type", "ver"]
    assert list(obj["data"]) == ["a", "b"]


@pytest.mark.parametrize(
    "obj",
    [
        None,
        [],
        {},
        {"ver": 2, "type": "val", "data": ""},
        {"ver": 1, "type": "hdir", "data": {}},
        {"ver": 1, "type": "val"},
        {"ver": 1, "type": "val", "data": 1},
        {"ver": 1, "type": "val", "data": "*"},
        {"ver": 1, "type": "valref", "data": []},
        {"ver": 1, "type": "valref", "data": ["nonsense"]},
        {"ver": 1, "type": "dirref", "data": []},
        {"ver": 1, "type": "dir", "data": []},
        {"ver": 1, "type": "dir", "data": {"a.b": treeobj.val(b"")}},
        {"ver": 1, "type": "dir", "data": {"": treeobj.val(b"")}},
        {"ver": 1, "type": "symlink", "data": {}},
        {"ver": 1, "type": "symlink", "data": {"target": ""}},
        {"ver": 1, "type": "symlink", "data": {"target": "x", "namespace": 1}},
    ],
)
def test_check_refuses(obj: object) -> None:
    with pytest.raises(OSError) as caught:
        treeobj.check(obj)
    assert caught.value.errno == errno.EINVAL


def test_decode_val_refuses_other_types() -> None:
    for obj in (treeobj.dirref(REF), {"type": "val", "data": "*"}, {"type": "val"}):
        with pytest.raises(OSError) as caught:
            treeobj.decode_val(obj)
        assert caught.value.errno == errno.EINVAL
