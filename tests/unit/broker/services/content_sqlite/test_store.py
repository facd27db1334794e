"""The SQLite file: what is written stays, what fails leaves it readable."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

import pytest

from broker.services.content_sqlite.store import BlobStore
from flux import treeobj
from tests.system.watching import ending, line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from flux.blobpack import Blob


def blob(data: bytes, flags: int = 0) -> Blob:
    return treeobj.blobref(data), data, flags


def refused(work: Callable[[], object]) -> OSError:
    with pytest.raises(OSError) as caught:
        work()
    return caught.value


def test_round_trip_and_reopen(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    store = BlobStore(path, durable=True)
    blobs = [blob(data) for data in (b"", b"a", b"\0" * 100_000)]
    blobs.append((treeobj.blobref(b"long", "sha256"), b"long", 0))
    store.write(blobs, sync=True)
    store.write(blobs)
    store.put_checkpoint("k", {"root": 1})
    store.put_checkpoint("k", {"root": 2}, sync=True)
    totals = store.totals
    assert (totals.objects, totals.bytes, totals.fresh) == (4, 100_005, 100_005)
    store.close()
    store = BlobStore(path, durable=False)
    assert store.totals == totals
    assert [store.load(ref) for ref, _, _ in blobs] == [data for _, data, _ in blobs]
    assert store.get_checkpoint("k") == {"root": 2}
    store.close()


def test_unknown_is_enoent(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "c.sqlite", durable=False)
    for call in (lambda: store.load(treeobj.blobref(b"x")), lambda: store.get_checkpoint("x")):
        assert refused(call).errno == errno.ENOENT
    assert refused(lambda: store.load("sha1-x")).errno == errno.EINVAL
    store.close()


def test_full_disk_is_enospc_and_what_was_there_stays(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "c.sqlite", durable=True)
    store.write([blob(b"old")])
    before = store.totals
    store.db.execute("PRAGMA max_page_count=12")
    assert (
        refused(lambda: store.write([blob(b"small"), blob(b"x" * 1_000_000)], sync=True)).errno
        == errno.ENOSPC
    )
    assert store.totals == before
    assert store.load(treeobj.blobref(b"old")) == b"old"
    assert refused(lambda: store.load(treeobj.blobref(b"small"))).errno == errno.ENOENT
    store.write([blob(b"more")], sync=True)
    assert store.load(treeobj.blobref(b"more")) == b"more"
    store.close()


class NotingStore(BlobStore):
    """Notes the level of synchronisation in force at each transaction."""

    def __init__(self, path: Path, *, durable: bool) -> None:
        super().__init__(path, durable=durable)
        self.levels: list[int] = []

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        self.levels.append(self.db.execute("PRAGMA synchronous").fetchone()[0])
        with super().transaction() as db:
            yield db


def test_sync_writes_to_the_disk_and_only_that_does(tmp_path: Path) -> None:
    """The level in force at the commit is what SQLite documents to mean a sync of the log at each
    commit.
    """
    for durable, expected in ((True, [1, 2, 1]), (False, [0, 0, 0])):
        store = NotingStore(tmp_path / f"{durable}.sqlite", durable=durable)
        for sync in (False, True, False):
            store.write([blob(b"x")], sync=sync)
        assert store.levels == expected
        store.close()


def test_a_damaged_blob_is_not_believed(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "c.sqlite", durable=False)
    store.write([blob(b"right"), blob(b"other")])
    store.db.execute("UPDATE objects SET object = x'7772' WHERE object = ?", (b"right",))
    error = refused(lambda: store.load(treeobj.blobref(b"right")))
    assert error.errno == errno.EIO
    assert treeobj.blobref(b"right") in (error.strerror or "")
    assert store.load(treeobj.blobref(b"other")) == b"other"
    store.close()


def test_what_is_no_store_is_refused_with_a_reason(tmp_path: Path) -> None:
    def open_(name: str) -> Callable[[], object]:
        return lambda: BlobStore(tmp_path / name, durable=False)

    assert refused(open_("missing/c.sqlite")).errno == errno.ENOENT
    (tmp_path / "text").write_text("this is no database, and long enough to be read as one\n" * 100)
    other = sqlite3.connect(tmp_path / "other")
    other.execute("CREATE TABLE objects (name TEXT)")
    other.close()
    for name in ("text", "other"):
        error = refused(open_(name))
        assert error.errno == errno.EINVAL
        assert "not a content store" in (error.strerror or "")
    BlobStore(tmp_path / "newer", durable=False).close()
    newer = sqlite3.connect(tmp_path / "newer")
    newer.execute("PRAGMA user_version=99")
    newer.close()
    error = refused(open_("newer"))
    assert error.errno == errno.ENOTSUP
    assert "schema 99" in (error.strerror or "")


def test_a_store_has_one_user(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "c.sqlite", durable=True)
    store.write([blob(b"x")])
    error = refused(lambda: BlobStore(tmp_path / "c.sqlite", durable=True))
    assert error.errno == errno.EBUSY
    assert "another instance" in (error.strerror or "")
    store.write([blob(b"y")])
    store.close()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    before = os.umask(0)
    try:
        store = BlobStore(path, durable=True)
        store.write([blob(b"secret")])
        assert mode(path) == mode(path.with_name("c.sqlite-wal")) == 0o600
        store.close()
        path.chmod(0o644)
        store = BlobStore(path, durable=True)
        assert mode(path) == 0o600
        store.close()
    finally:
        os.umask(before)


def test_planted_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "target").touch()
    (tmp_path / "link").symlink_to("target")
    (tmp_path / "dangling").symlink_to("nothing")
    (tmp_path / "log").touch()
    (tmp_path / "log-wal").symlink_to("target")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    expected = {
        "link": errno.ELOOP,
        "dangling": errno.ELOOP,
        "log": errno.ELOOP,
        "folder": errno.EINVAL,
    }
    for name, errnum in {**expected, "fifo": errno.EINVAL}.items():
        error = refused(partial(BlobStore, tmp_path / name, durable=True))
        assert error.errno == errnum
        assert str(tmp_path / name) in (error.strerror or "")
    assert not (tmp_path / "nothing").exists()
    assert (tmp_path / "target").stat().st_size == 0
    assert (
        refused(lambda: BlobStore(tmp_path / "new", durable=True, owner=4711)).errno == errno.EPERM
    )


def test_a_store_of_the_first_version_is_converted(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    old = sqlite3.connect(path)
    old.execute("PRAGMA journal_mode=WAL")
    old.execute("CREATE TABLE objects (hash TEXT PRIMARY KEY, object BLOB)")
    old.execute("CREATE TABLE checkpt (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID")
    blobs = [blob(b"%d" % number * 500) for number in range(100)]
    old.executemany("INSERT INTO objects VALUES (?, ?)", [(ref, data) for ref, data, _ in blobs])
    old.execute("INSERT INTO checkpt VALUES ('kvs-primary', '{\"rootref\":\"sha1-x\"}')")
    old.commit()
    old.close()
    for _ in range(2):
        store = BlobStore(path, durable=True)
        assert store.get_checkpoint("kvs-primary") == {"rootref": "sha1-x"}
        assert [store.load(ref) for ref, _, _ in blobs] == [data for _, data, _ in blobs]
        assert (store.totals.objects, store.totals.bytes) == (
            100,
            sum(len(data) for _, data, _ in blobs),
        )
        assert store.db.execute("PRAGMA auto_vacuum").fetchone() == (2,)
        assert store.db.execute("SELECT min(pinned) FROM objects").fetchone() == (1,)
        store.close()


WRITER = """
import sys
from broker.services.content_sqlite.store import BlobStore
from flux import treeobj
store = BlobStore(sys.argv[1], durable=True)
number = 0
while True:
    blobs = [b"%d-%d" % (number, i) * 50 for i in range(20)]
    store.write([(treeobj.blobref(blob), blob, 0) for blob in blobs])
    store.put_checkpoint("last", number, sync=number % 2 == 1)
    print(number, flush=True)
    number += 1
"""


def test_kill_at_any_instant_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    for lines in (1, 7, 60):
        argv = [sys.executable, "-c", WRITER, str(path)]
        with ending(subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)) as process:
            acknowledged = [int(line(process)) for _ in range(lines)][-1]
        store = BlobStore(path, durable=False)
        last = store.get_checkpoint("last")
        assert isinstance(last, int)
        assert last >= acknowledged
        for i in range(20):
            data = b"%d-%d" % (last, i) * 50
            assert store.load(treeobj.blobref(data)) == data
        store.close()
        with sqlite3.connect(path) as check:
            assert check.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        check.close()


@pytest.mark.parametrize("durable", [False, True])
def test_unused_pages_are_given_back_as_many_as_asked(tmp_path: Path, durable: bool) -> None:
    store = BlobStore(tmp_path / "store", durable=durable)
    store.write([blob(b"%d" % number * 2000) for number in range(100)])
    with store.transaction() as db:
        db.execute("DELETE FROM objects")
    free, total = store.free_pages()
    assert free > 50
    store.shrink(40)
    assert store.free_pages() == (free - 40, total - 40)
    store.fold()
    size = store.file_bytes()
    store.shrink(10)
    store.fold()
    assert store.file_bytes() == size - 10 * 4096
    store.close()


def test_only_what_outlives_the_instance_has_a_write_ahead_file(tmp_path: Path) -> None:
    for durable in (False, True):
        store = BlobStore(tmp_path / str(durable), durable=durable)
        store.write([blob(b"x" * 5000)])
        assert (tmp_path / f"{durable}-wal").exists() is durable
        with suppress(ZeroDivisionError), store.transaction() as db:
            db.execute("DELETE FROM objects")
            raise ZeroDivisionError
        assert store.totals.objects == 1
        assert store.db.execute("SELECT count(*) FROM objects").fetchone() == (1,)
        store.close()
