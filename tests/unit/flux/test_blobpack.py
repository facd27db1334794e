"""Batches of blobs as one payload."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flux import blobpack, treeobj


@given(st.lists(st.binary()))
def test_round_trip(blobs: list[bytes]) -> None:
    pairs = [(treeobj.blobref(blob), blob) for blob in blobs]
    assert blobpack.unpack(blobpack.pack(pairs)) == pairs


def test_every_truncation_is_noticed() -> None:
    whole = blobpack.pack([(treeobj.blobref(b"abc"), b"abc")])
    for length in range(1, len(whole)):
        with pytest.raises(OSError) as caught:
            blobpack.unpack(whole[:length])
        assert caught.value.errno == errno.EPROTO
