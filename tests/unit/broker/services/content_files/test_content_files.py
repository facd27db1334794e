"""The content-files module: plain files, its requests, and how it stands to other stores."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

import pytest

from broker.services.content.service import ContentService
from broker.services.content_files.service import ContentFilesService
from broker.services.content_files.store import FileStore
from broker.services.content_sqlite.service import ContentSqliteService
from broker.services.kvs.service import KvsService
from flux import blobpack, treeobj
from flux.kvs_txn import Txn, commit_request
from tests.unit.broker.services.wired import Wired

if TYPE_CHECKING:
    from pathlib import Path


async def boot(rundir: Path, *args: str, path: Path | None = None) -> Wired:
    wired = Wired(1, str(rundir))
    if path is not None:
        wired.ranks[0].attrs.define("content.backing-path", str(path))
    await wired.add(ContentService)
    await wired.add(ContentFilesService, args=list(args))
    return wired


async def errnum(work: Any) -> int:
    with pytest.raises(OSError) as caught:
        await work
    return caught.value.errno or 0


@pytest.mark.parametrize("size", [0, 1, 64, 4095, 4096, 1 << 20, 4 << 20])
async def test_a_blob_is_a_plain_file_named_after_its_hash(tmp_path: Path, size: int) -> None:
    wired = await boot(tmp_path)
    h = wired.client()
    data = os.urandom(size)
    answer = await h.rpc_message("content-backing.store", data)
    ref = treeobj.blobref(data)
    assert answer.payload == ref.encode() + b"\0"
    folder = wired.ranks[0].attrs.get("content.backing-path")
    assert folder == str(tmp_path / "content.files")
    assert (tmp_path / "content.files" / ref).read_bytes() == data
    assert ((await h.rpc_message("content-backing.load", ref)).payload or b"") == data
    assert os.listdir(folder) == [ref]
    await wired.close()


async def test_what_cannot_be_loaded(tmp_path: Path) -> None:
    wired = await boot(tmp_path)
    h = wired.client()
    with pytest.raises(OSError, match="invalid blobref"):
        await h.rpc("content-backing.load", "sha9-1234")
    for algorithm in ("sha1", "sha256"):
        ref = treeobj.blobref(b"unknown", algorithm)
        assert await errnum(h.rpc("content-backing.load", ref)) == errno.ENOENT
    ref = (await h.rpc_message("content-backing.store", b"whole")).text()
    (tmp_path / "content.files" / ref).write_bytes(b"hole")
    with pytest.raises(OSError, match="is damaged"):
        await h.rpc("content-backing.load", ref)
    await wired.close()


async def test_checkpoints(tmp_path: Path) -> None:
    wired = await boot(tmp_path, "testing")
    h = wired.client()
    for topic in ("kvs-checkpoint.get", "kvs-checkpoint.put"):
        assert await errnum(h.rpc(topic)) == errno.EPROTO
    assert await errnum(h.rpc("kvs-checkpoint.get", {"key": "k"})) == errno.ENOENT
    for key in ("k", "..", "a/b", "ƒ"):
        for value in ("one", {"rootref": [2]}):
            await h.rpc("kvs-checkpoint.put", {"key": key, "value": value})
            assert await h.rpc("kvs-checkpoint.get", {"key": key}) == {"value": value}
    for key in ("", "a\nb"):
        assert await errnum(h.rpc("kvs-checkpoint.put", {"key": key, "value": 1})) == errno.EINVAL
    assert await errnum(h.rpc("kvs-checkpoint.put", {"key": "k"})) == errno.EPROTO
    await wired.close()


async def test_the_cache_uses_it_unless_it_is_testing(tmp_path: Path) -> None:
    wired = await boot(tmp_path, "testing")
    attrs = wired.ranks[0].attrs
    assert attrs.get("content.backing-module") is None
    await wired.remove(wired.ranks[0].services["content-files"])
    assert attrs.get("content.backing-path") is None
    await wired.add(ContentFilesService)
    assert attrs.get("content.backing-module") == "content-files"
    ref = (await wired.client().rpc_message("content.store", b"dirty")).text()
    await wired.remove(wired.ranks[0].services["content-files"])
    assert (tmp_path / "content.files" / ref).read_bytes() == b"dirty"
    with pytest.raises(OSError, match="unknown option: nosuch"):
        await wired.add(ContentFilesService, args=["nosuch"])
    await wired.close()


async def test_another_store_is_refused_while_and_after_it_is_used(tmp_path: Path) -> None:
    wired = await boot(tmp_path)
    assert await errnum(wired.add(ContentSqliteService)) == errno.EINVAL
    await wired.remove(wired.ranks[0].services["content-files"])
    assert await errnum(wired.add(ContentSqliteService)) == errno.EINVAL
    said = [entry.text for entry in wired.logs if "changed on the fly" in entry.text]
    assert len(said) == 2
    await wired.add(ContentFilesService)
    await wired.close()


async def test_the_key_value_store_survives_on_a_path_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    for turn in range(3):
        wired = await boot(tmp_path, path=path)
        await wired.add(KvsService)
        h = wired.client()
        if turn:
            answer = await h.rpc("kvs.lookup", {"key": "k", "namespace": "primary", "flags": 0})
            assert treeobj.decode_val(answer["val"]) == b"%d" % (turn - 1)
        txn = Txn()
        txn.put_raw("k", b"%d" % turn)
        await h.rpc("kvs.commit", commit_request(txn.ops))
        await wired.close()
    assert (path.stat().st_mode & 0o777) == 0o700


def test_what_a_crash_left_is_removed_and_batches_count_new_blobs(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    store = FileStore(str(folder), durable=True)
    blobs = [(treeobj.blobref(data), data, 0) for data in (b"a", b"b")]
    assert store.store(blobs[:1]) == 1
    assert store.store(blobs) == 1
    (folder / ".new-1-1").write_bytes(b"half")
    again = FileStore(str(folder), durable=True)
    assert sorted(os.listdir(folder)) == sorted(ref for ref, _, _ in blobs)
    assert again.load(blobs[1][0]) == b"b"
    assert blobpack.unpack(blobpack.pack(blobs)) == blobs


def test_a_link_is_not_followed_to_a_blob(tmp_path: Path) -> None:
    store = FileStore(str(tmp_path / "files"), durable=False)
    ref = treeobj.blobref(b"secret")
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "files" / ref).symlink_to(tmp_path / "secret")
    with pytest.raises(OSError) as caught:
        store.load(ref)
    assert caught.value.errno == errno.ELOOP
