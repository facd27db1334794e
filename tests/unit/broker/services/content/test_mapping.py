"""Files whose pieces are content: requests as today's ``flux archive create --mmap`` sends them."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from broker.services.content import mapping
from broker.services.content.mapped_files import PIECES_MAX, map_file
from broker.services.content.service import ContentService
from broker.services.content_sqlite.service import ContentSqliteService
from flux import treeobj
from tests.unit.broker.services.wired import Wired

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable

    from flux.aio import AsyncFlux
    from flux.wire.message import Message

CHUNK = 1 << 12


async def wired_up(size: int = 1) -> Wired:
    wired = Wired(size)
    for rank in range(size):
        await wired.add(ContentService, rank)
    return wired


async def add(h: AsyncFlux, path: object, chunk: object = CHUNK, tag: object = "t") -> Message:
    payload = {"path": str(path), "chunksize": chunk, "tag": tag}
    return await h.rpc_message("content.mmap-add", payload)


async def load(h: AsyncFlux, data: bytes, part: slice = slice(None)) -> bytes:
    """Load a piece of ``data`` by the bytes of its hash, as today's programs do."""
    digest = treeobj.hash_of(treeobj.blobref(data[part]))
    return (await h.rpc_message("content.load", digest)).payload or b""


async def refused(work: Any) -> tuple[int, str]:
    with pytest.raises(OSError) as caught:
        await work
    return caught.value.errno or 0, caught.value.strerror or ""


@pytest.fixture
def data() -> bytes:
    return os.urandom(2 * CHUNK + 100)


@pytest.fixture
def file(tmp_path: pathlib.Path, data: bytes) -> pathlib.Path:
    path = tmp_path / "file"
    path.write_bytes(data)
    return path


async def test_pieces_are_content_on_every_rank(file: pathlib.Path, data: bytes) -> None:
    wired = await wired_up(3)
    h = wired.client()
    assert (await add(h, file)).payload is None
    for rank in (0, 2):
        for start in range(0, len(data), CHUNK):
            part = slice(start, start + CHUNK)
            assert await load(wired.client(rank), data, part) == data[part]
    assert await h.rpc("content.validate", treeobj.blobref(data[:CHUNK])) == {}
    stats = await h.rpc("content.stats-get")
    assert stats["mmap"] == {"tags": {"t": [str(file)]}, "blobs": 3}
    assert stats["count"] == 0  # nothing is copied on rank 0
    await h.rpc("content.mmap-remove", {"tag": "t"})
    assert (await h.rpc("content.stats-get"))["mmap"] == {"tags": {}, "blobs": 0}
    assert (await refused(load(h, data, slice(CHUNK))))[0] == errno.ENOENT


def changed(file: pathlib.Path) -> None:
    with file.open("r+b") as opened:
        opened.seek(5)
        opened.write(b"other")


def replaced(file: pathlib.Path) -> None:
    other = file.with_name("other")
    other.write_bytes(bytes(3 * CHUNK))
    other.rename(file)


def truncated(file: pathlib.Path) -> None:
    os.truncate(file, 10)


def made_a_pipe(file: pathlib.Path) -> None:
    file.unlink()
    os.mkfifo(file)


@pytest.mark.parametrize(
    ("change", "errnum", "text"),
    [
        (changed, errno.EINVAL, "mapped file content has changed"),
        (replaced, errno.EINVAL, "mapped file content has changed"),
        (truncated, errno.EINVAL, "mapped file content has changed"),
        (os.unlink, errno.ENOENT, "FILE: No such file or directory"),
        (made_a_pipe, errno.EINVAL, "FILE: unsupported file type"),
    ],
)
async def test_other_bytes_are_never_given_out(
    file: pathlib.Path,
    data: bytes,
    change: Callable[[pathlib.Path], None],
    errnum: int,
    text: str,
) -> None:
    wired = await wired_up(2)
    await add(wired.client(), file)
    change(file)
    for rank in (0, 1):
        found = await refused(load(wired.client(rank), data, slice(CHUNK)))
        assert found == (errnum, text.replace("FILE", str(file)))


async def test_what_is_stored_too_comes_from_the_store(
    tmp_path: pathlib.Path, file: pathlib.Path, data: bytes
) -> None:
    wired = Wired(1, str(tmp_path))
    await wired.add(ContentService)
    await wired.add(ContentSqliteService)
    h = wired.client()
    await h.rpc_message("content.store", data[:CHUNK])
    await add(h, file)
    await h.rpc("content.flush")
    await h.rpc("content.dropcache")
    changed(file)
    assert await load(h, data, slice(CHUNK)) == data[:CHUNK]
    truncated(file)
    found = await refused(load(h, data, slice(CHUNK, 2 * CHUNK)))
    assert found == (errno.EINVAL, "mapped file content has changed")
    assert (await refused(load(h, b"none")))[0] == errno.ENOENT
    await wired.close()


async def test_the_same_content_in_two_files(file: pathlib.Path, data: bytes) -> None:
    other = file.with_name("other")
    other.write_bytes(data)
    wired = await wired_up()
    h = wired.client()
    await asyncio.gather(add(h, file, tag="a"), add(h, other, tag="b"), add(h, file, tag="a"))
    changed(file)
    assert await load(h, data, slice(CHUNK)) == data[:CHUNK]
    await h.rpc("content.mmap-remove", {"tag": "a"})
    assert await load(h, data, slice(CHUNK)) == data[:CHUNK]
    await h.rpc("content.mmap-remove", {"tag": "b"})
    assert (await refused(load(h, data, slice(CHUNK))))[0] == errno.ENOENT


async def test_holes_are_no_pieces(tmp_path: pathlib.Path) -> None:
    sparse, end = tmp_path / "sparse", os.urandom(CHUNK)
    with sparse.open("wb") as opened:
        opened.seek(1 << 24)
        opened.write(end)
    wired = await wired_up()
    h = wired.client()
    for chunk in (1 << 20, 0, -1):  # no positive number: in one piece
        await add(h, sparse, chunk)
        assert await load(h, end) == end
    assert (await h.rpc("content.stats-get"))["mmap"]["blobs"] == 1


@pytest.mark.parametrize(
    ("path", "errnum", "text"),
    [
        ("nosuch", errno.ENOENT, "PATH: No such file or directory"),
        ("closed", errno.EACCES, "PATH: Permission denied"),
        ("pipe", errno.EINVAL, "PATH: unsupported file type"),
        ("link", errno.EINVAL, "PATH: not suitable for mapping"),
        ("empty", errno.EINVAL, "PATH: not suitable for mapping"),
        (".", errno.EINVAL, "PATH: not suitable for mapping"),
        ("nul\0", errno.EINVAL, "path has a NUL character"),
    ],
)
async def test_what_cannot_be_mapped(
    tmp_path: pathlib.Path, path: str, errnum: int, text: str
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "closed").write_text("x")
    (tmp_path / "closed").chmod(0)
    (tmp_path / "link").symlink_to("closed")
    (tmp_path / "empty").touch()
    if path == "closed" and os.geteuid() == 0:
        pytest.skip("root reads every file")
    name = str(tmp_path / path)
    found = await refused(add((await wired_up()).client(), name))
    assert found == (errnum, text.replace("PATH", name))


async def test_requests_that_make_no_sense(file: pathlib.Path) -> None:
    wired = await wired_up(2)
    h = wired.client()
    assert await refused(add(h, "file")) == (errno.EINVAL, "path must be fully qualified")
    assert (await refused(add(h, file, "a")))[0] == errno.EPROTO
    assert (await refused(add(h, file, tag=5)))[0] == errno.EPROTO
    assert (await refused(h.rpc("content.mmap-remove", {})))[0] == errno.EPROTO
    await h.rpc("content.mmap-remove", {"tag": "nosuch"})
    wired.ranks[0].attrs.set("content.blob-size-limit", str(CHUNK - 1))
    assert (await refused(add(h, file)))[0] == errno.EFBIG
    for work in (add(wired.client(1), file), wired.client(1).rpc("content.mmap-remove")):
        assert await refused(work) == (errno.ENOSYS, "Unknown service method")
    assert (await refused(add(wired.client(userid=2000), file)))[0] == errno.EPERM


async def test_a_file_that_is_unmapped_while_it_is_mapped(
    file: pathlib.Path, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    wired = await wired_up()
    h = wired.client()
    loop, begun = asyncio.get_running_loop(), asyncio.Event()

    def slow(path: str, *more: Any) -> Any:
        loop.call_soon_threadsafe(begun.set)
        while not more[-1]():
            time.sleep(0.001)
        return map_file(path, *more)

    monkeypatch.setattr(mapping, "map_file", slow)
    adding = asyncio.create_task(add(h, file))
    await begun.wait()
    await h.rpc("content.mmap-remove", {"tag": "t"})
    assert (await refused(adding))[0] == errno.ECANCELED
    assert (await refused(load(h, data, slice(CHUNK))))[0] == errno.ENOENT


def test_pieces_of_a_file_have_a_bound(file: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("broker.services.content.mapped_files.PIECES_MAX", 10)
    with pytest.raises(OSError, match="more than 10 pieces"):
        map_file(str(file), 1, "sha1", 1 << 20, lambda: False)
    assert PIECES_MAX > 10
