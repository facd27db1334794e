"""Blobs on a broker of today's flux-core, which takes and tells nothing but the bytes of hashes."""

from __future__ import annotations

import errno
import hashlib
from typing import TYPE_CHECKING, Any, cast

import pytest

from flux import content, treeobj
from fluxctl.archive.blobs import InstanceBlobs

if TYPE_CHECKING:
    from flux.core.handle import Flux


class Answer:
    """What a request is answered with."""

    def __init__(self, payload: bytes = b"", errnum: int = 0) -> None:
        self.payload = payload
        self._errnum = errnum

    def message(self) -> Answer:
        if self._errnum:
            raise OSError(self._errnum, "refused")
        return self

    get = message


class TodaysBroker:
    """A handle to a broker that keeps blobs by their hash."""

    def __init__(self) -> None:
        self.blobs: dict[bytes, bytes] = {}

    def attr_get(self, name: str) -> str:
        assert name == "content.hash"
        return "sha1"

    def rpc(self, topic: str, payload: object, **options: Any) -> Answer:
        return Answer(errnum=errno.ENOSYS)

    def rpc_raw(self, topic: str, payload: bytes, nodeid: int = 0) -> Answer:
        if topic == "content.store":
            digest = hashlib.sha1(payload, usedforsecurity=False).digest()
            self.blobs[digest] = payload
            return Answer(digest)
        if topic != "content.load":
            return Answer(errnum=errno.ENOSYS)
        if len(payload) != 20:
            return Answer(errnum=errno.EPROTO)
        found = self.blobs.get(payload)
        return Answer(errnum=errno.ENOENT) if found is None else Answer(found)


def test_blobs_of_an_archive() -> None:
    blobs = InstanceBlobs(cast("Flux", TodaysBroker()))
    found = [(treeobj.blobref(data), data) for data in (b"one", b"two", b"three")]
    blobs.store(found)
    assert list(blobs.load(ref for ref, _ in found)) == [b"one", b"two", b"three"]
    with pytest.raises(OSError, match="refused"):
        list(blobs.load([treeobj.blobref(b"four")]))


def test_single_blobs() -> None:
    handle = cast("Flux", TodaysBroker())
    ref = content.store(handle, b"one")
    assert ref == treeobj.blobref(b"one")
    assert content.load(handle, ref) == b"one"
    with pytest.raises(OSError, match="refused") as caught:
        content.load(handle, treeobj.blobref(b"two"))
    assert caught.value.errno == errno.ENOENT


class CountingBroker:
    """A handle to a broker whose answers are taken late; counts the requests under way."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.under_way = self.most = 0

    def attr_get(self, name: str) -> str:
        return "sha1"

    def rpc(self, topic: str, payload: object, **options: Any) -> Answer:
        return Answer()

    def rpc_raw(self, topic: str, payload: bytes, nodeid: int = 0) -> Answer | CountedAnswer:
        if topic == "content-backing.store-batch":
            return Answer(errnum=errno.ENOSYS)
        self.asked.append((topic, nodeid))
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        return CountedAnswer(self)


class CountedAnswer:
    """An answer that is no longer under way once it is taken."""

    def __init__(self, broker: CountingBroker) -> None:
        self._broker = broker

    def message(self) -> Answer:
        self._broker.under_way -= 1
        return Answer(b"x")


@pytest.mark.parametrize("at_once", [1, 3])
def test_no_more_requests_are_under_way_than_are_allowed(at_once: int) -> None:
    broker = CountingBroker()
    blobs = InstanceBlobs(cast("Flux", broker), at_once, cached=False)
    refs = [treeobj.blobref(bytes([number])) for number in range(20)]
    assert list(blobs.load(refs)) == [b"x"] * 20
    assert broker.most == at_once
    assert set(broker.asked) == {("content-backing.load", 0)}
    broker.asked.clear()
    blobs.store((ref, b"x") for ref in refs)
    assert broker.most == at_once
    assert broker.asked == [("content-backing.store", 0)] * 20
