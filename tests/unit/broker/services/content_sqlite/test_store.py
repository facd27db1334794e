"""The SQLite file: what is written stays, what fails leaves it readable."""

from __future__ import annotations

import errno
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from broker.services.content_sqlite.store import BlobStore
from flux import treeobj


def test_round_trip_and_reopen(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    store = BlobStore(path, durable=True)
    blobs = [(treeobj.blobref(blob), blob) for blob in (b"", b"a", b"\0" * 100_000)]
    store.store(blobs)
    store.store(blobs)
    store.put_checkpoint("k", {"root": 1})
    store.put_checkpoint("k", {"root": 2})
    store.close()
    store = BlobStore(path, durable=False)
    assert store.count() == 3
    assert [store.load(ref) for ref, _ in blobs] == [blob for _, blob in blobs]
    assert store.get_checkpoint("k") == {"root": 2}
    store.close()


def test_unknown_is_enoent(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "c.sqlite", durable=False)
    for call in (lambda: store.load(treeobj.blobref(b"x")), lambda: store.get_checkpoint("x")):
        with pytest.raises(OSError) as caught:
            call()
        assert caught.value.errno == errno.ENOENT
    store.close()


def test_full_disk_is_enospc_and_what_was_there_stays(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "c.sqlite", durable=False)
    store.store([("sha1-old", b"old")])
    store._db.execute("PRAGMA max_page_count=10")
    with pytest.raises(OSError) as caught:
        store.store([("sha1-small", b"small"), ("sha1-big", b"x" * 1_000_000)])
    assert caught.value.errno == errno.ENOSPC
    assert store.load("sha1-old") == b"old"
    with pytest.raises(OSError) as caught:
        store.load("sha1-small")
    assert caught.value.errno == errno.ENOENT
    store.store([("sha1-more", b"more")])
    assert store.load("sha1-more") == b"more"
    store.close()


def test_unusable_paths(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        BlobStore(tmp_path / "missing" / "c.sqlite", durable=False)
    (tmp_path / "text").write_text("this is no database, and long enough to be read as one\n" * 100)
    with pytest.raises(OSError) as caught:
        BlobStore(tmp_path / "text", durable=False)
    assert caught.value.errno == errno.EIO


WRITER = """
import sys
from broker.services.content_sqlite.store import BlobStore
from flux import treeobj
store = BlobStore(sys.argv[1], durable=False)
number = 0
while True:
    blobs = [b"%d-%d" % (number, i) * 50 for i in range(20)]
    store.store([(treeobj.blobref(blob), blob) for blob in blobs])
    store.put_checkpoint("last", number)
    print(number, flush=True)
    number += 1
"""


def test_kill_at_any_instant_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    for lines in (1, 7, 60):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        acknowledged = [int(process.stdout.readline()) for _ in range(lines)][-1]
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        store = BlobStore(path, durable=False)
        last = store.get_checkpoint("last")
        assert isinstance(last, int) and last >= acknowledged
        for i in range(20):
            blob = b"%d-%d" % (last, i) * 50
            assert store.load(treeobj.blobref(blob)) == blob
        store.close()
        with sqlite3.connect(path) as check:
            assert check.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        check.close()
