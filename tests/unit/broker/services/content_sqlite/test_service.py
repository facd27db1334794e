"""The content-sqlite module."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path
from typing import Any

import pytest

from broker.services.content.service import ContentService
from broker.services.content_sqlite.service import ContentSqliteService
from flux import treeobj
from tests.unit.broker.services.wired import Wired


async def boot(rundir: Path, path: Path | None = None) -> Wired:
    wired = Wired(1, str(rundir))
    if path is not None:
        wired.ranks[0].attrs.define("content.backing-path", str(path))
    await wired.add(ContentService)
    await wired.add(ContentSqliteService)
    return wired


async def errnum(work: Any) -> int:
    with pytest.raises(OSError) as caught:
        await work
    return caught.value.errno or 0


async def test_stores_of_one_turn_share_a_transaction(tmp_path: Path) -> None:
    wired = await boot(tmp_path)
    assert wired.ranks[0].attrs.get("content.backing-path") == str(tmp_path / "content.sqlite")
    h = wired.client()
    blobs = [b"blob %d" % number for number in range(50)]
    answers = await asyncio.gather(*(h.rpc_message("content-backing.store", blob) for blob in blobs))
    assert [answer.text() for answer in answers] == [treeobj.blobref(blob) for blob in blobs]
    stats = await h.rpc("content-sqlite.stats.get")
    assert (stats["object_count"], stats["store"]) == (50, 50)
    assert await errnum(h.rpc("content-backing.load", treeobj.blobref(b"unknown"))) == errno.ENOENT
    assert await errnum(h.rpc("content-backing.load", "nonsense")) == errno.EINVAL
    await wired.close()


async def test_checkpoints(tmp_path: Path) -> None:
    wired = await boot(tmp_path)
    h = wired.client()
    assert await errnum(h.rpc("kvs-checkpoint.get", {"key": "k"})) == errno.ENOENT
    await h.rpc("kvs-checkpoint.put", {"key": "k", "value": {"rootref": "x"}})
    assert await h.rpc("kvs-checkpoint.get", {"key": "k"}) == {"value": {"rootref": "x"}}
    assert await errnum(h.rpc("kvs-checkpoint.put", {"key": "k"})) == errno.EPROTO
    await wired.close()


async def test_a_given_path_is_used_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "kept.sqlite"
    wired = await boot(tmp_path, path)
    ref = (await wired.client().rpc_message("content.store", b"kept")).text()
    await wired.close()
    assert path.exists()
    again = await boot(tmp_path, path)
    assert (await again.client().rpc_message("content.load", ref)).payload == b"kept"
    await again.close()


async def test_rank_0_only(tmp_path: Path) -> None:
    wired = Wired(2, str(tmp_path))
    with pytest.raises(OSError) as caught:
        await wired.add(ContentSqliteService, 1)
    assert caught.value.errno == errno.EINVAL
