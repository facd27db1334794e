"""Batches of blobs as one payload."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flux import blobpack, treeobj


@given(st.lists(st.tuples(st.binary(), st.integers(0, 3), st.sampled_from(["sha1", "sha256"]))))
def test_round_trip(items: list[tuple[bytes, int, str]]) -> None:
    blobs = [(treeobj.blobref(data, algorithm), data, flags) for data, flags, algorithm in items]
    assert blobpack.unpack(blobpack.pack(blobs)) == blobs


def test_every_truncation_is_noticed() -> None:
    whole = blobpack.pack([(treeobj.blobref(b"abc"), b"abc", blobpack.PINNED)])
    for length in range(1, len(whole)):
        with pytest.raises(OSError) as caught:
            blobpack.unpack(whole[:length])
        assert caught.value.errno == errno.EPROTO
