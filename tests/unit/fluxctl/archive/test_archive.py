"""Dump and restore: what comes back is what was there, and a bad archive leaves nothing behind."""

from __future__ import annotations

import errno
import io
import sqlite3
import tarfile
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from flux import treeobj
from flux.kvs_flags import PRIMARY_CHECKPOINT
from flux.kvs_txn import Txn
from flux.wire import json
from fluxctl.archive import restoring
from fluxctl.archive.blobs import FileBlobs
from fluxctl.archive.dumping import Dump
from fluxctl.archive.place import tar_to
from fluxctl.archive.restoring import GrowingTree, Restore
from fluxctl.commands.dump import command as dump_command
from fluxctl.commands.restore import command as restore_command

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


class Memory:
    """Blobs in a dictionary."""

    algorithm = "sha1"

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}

    def load(self, refs: Iterable[str]) -> Iterator[bytes]:
        for ref in refs:
            yield self.blobs[ref]

    def store(self, blobs: Iterable[tuple[str, bytes]]) -> None:
        self.blobs.update(blobs)

    def value(self, *parts: bytes) -> treeobj.TreeObj:
        """Return a valref of blobs that are in here."""
        refs = [treeobj.blobref(part) for part in parts]
        self.store(zip(refs, parts, strict=True))
        return treeobj.valref(refs)


def silent(_key: str) -> None:
    return None


def dumped(blobs: Memory, root: str, name: str = "x.tar") -> bytes:
    file = io.BytesIO()
    with tar_to(file, name) as archive:
        Dump(blobs, archive, 1.5e9, silent).write(root, 7)
    return file.getvalue()


def restored(archive: bytes) -> tuple[Memory, str, Restore]:
    blobs = Memory()
    restore = Restore(blobs, silent)
    return blobs, restore.read(io.BytesIO(archive), "test"), restore


class Damaged(Memory):
    """Blobs of which some are gone."""

    def load(self, refs: Iterable[str]) -> Iterator[bytes]:
        for ref in refs:
            if ref not in self.blobs:
                raise OSError(errno.ENOENT, "No such file or directory")
            yield self.blobs[ref]


def test_what_cannot_be_read_is_left_out_and_named() -> None:
    blobs = Damaged()
    tree = GrowingTree(blobs)
    txn = Txn()
    txn.put_treeobj("whole", blobs.value(b"one", b"two"))
    txn.put_treeobj("bad.piece", blobs.value(b"here", b"gone"))
    txn.put_treeobj("bad.other", blobs.value(b"there"))
    tree.apply(txn)
    txn = Txn()
    txn.put_treeobj("lost", treeobj.dirref(treeobj.blobref(b"never stored")))
    tree.apply(txn)
    del blobs.blobs[treeobj.blobref(b"gone")]
    with pytest.raises(OSError, match="No such file"):
        dumped(blobs, tree.root)
    told: list[str] = []
    file = io.BytesIO()
    with tar_to(file, "x.tar") as archive:
        dump = Dump(blobs, archive, 1.5e9, silent, lambda key, exc: told.append(key))
        dump.write(tree.root, 7)
    assert sorted(told) == ["bad.piece", "lost"]
    with tarfile.open(fileobj=io.BytesIO(file.getvalue())) as found:
        names = {member.name.rstrip("/") for member in found if member.isreg()}
    assert names == {"whole", "bad/other"}


def test_values_beyond_a_limit_are_left_out_and_named() -> None:
    archive = tar(("small", b"12345"), ("large", b"123456"))
    blobs, told = Memory(), []
    restore = Restore(blobs, silent, 5, lambda key, exc: told.append((key, exc.errno)))
    restore.read(io.BytesIO(archive), "test")
    assert (restore.keys, told) == (1, [("large", errno.EFBIG)])


names = st.sampled_from(["a", "b", "c/d", "e f", "ü", "%2F", "-", "~"])
leaves = st.one_of(
    st.binary(max_size=100),
    st.lists(st.binary(max_size=80), min_size=1, max_size=3),
    st.sampled_from(["a.b", ("other", "x.y")]),
)
trees = st.recursive(leaves, lambda below: st.dictionaries(names, below, max_size=4), max_leaves=12)


def grow(blobs: Memory, txn: Txn, key: str, tree: Any) -> None:
    if isinstance(tree, dict):
        txn.mkdir(key)
        for name, below in tree.items():
            grow(blobs, txn, f"{key}.{name}", below)
    elif isinstance(tree, bytes):
        txn.put_raw(key, tree)
    elif isinstance(tree, list):
        txn.put_treeobj(key, blobs.value(*tree))
    elif isinstance(tree, tuple):
        txn.symlink(key, tree[1], tree[0])
    else:
        txn.symlink(key, tree)


@given(
    st.dictionaries(names, trees, max_size=5),
    st.sampled_from(["x.tar", "x.tgz", "x.tar.bz2", "x.tar.xz"]),
)
@settings(deadline=None, max_examples=40)
def test_round_trip_of_every_type(content: dict[str, Any], name: str) -> None:
    blobs = Memory()
    tree = GrowingTree(blobs)
    txn = Txn()
    for key, below in content.items():
        grow(blobs, txn, key, below)
    if txn:
        tree.apply(txn)
    other, root, restore = restored(dumped(blobs, tree.root, name))
    assert root == tree.root
    assert restore.sequence == 7
    assert dumped(other, root) == dumped(blobs, tree.root)


def test_large_directories_and_values_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = Memory()
    tree = GrowingTree(blobs)
    txn = Txn()
    for number in range(3000):
        txn.put_raw(f"d.{number}", b"%d" % number)
    tree.apply(txn.put_treeobj("big", blobs.value(b"0123456789" * 1000)))
    archive = dumped(blobs, tree.root)
    assert restored(archive)[1] == tree.root
    monkeypatch.setattr(restoring, "BLOB_BYTES", 3000)
    monkeypatch.setattr(restoring, "BATCH_BYTES", 5000)
    monkeypatch.setattr(restoring, "BATCH_KEYS", 700)
    other, root, restore = restored(archive)
    assert restore.keys == 3001
    assert max(len(data) for data in other.blobs.values() if b"0123456789" in data) == 3000
    with (
        tarfile.open(fileobj=io.BytesIO(archive)) as before,
        tarfile.open(fileobj=io.BytesIO(dumped(other, root))) as after,
    ):
        for one, two in zip(before, after, strict=True):
            assert one.name == two.name
            if one.isdir():
                continue
            assert content(before, one) == content(after, two)


def content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file is not None
    return file.read()


def tar(*members: tuple[str, bytes] | tarfile.TarInfo) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return file.getvalue()


def info(name: str, kind: bytes = tarfile.REGTYPE, **facts: str) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type = kind
    found.linkname = facts.get("link", "")
    if "comment" in facts:
        found.pax_headers = {"comment": facts["comment"]}
    return found


def test_an_archive_made_by_tar_with_its_folders() -> None:
    archive = tar(
        info("./a", tarfile.DIRTYPE), ("./a/b", b"1"), info("a/", tarfile.DIRTYPE), ("a/c/d", b"2")
    )
    blobs, root, restore = restored(archive)
    assert restore.keys == 3
    assert restored(dumped(blobs, root))[1] == root
    assert b"MQ==" in b"".join(blobs.blobs.values())


BAD = {
    "twice": tar(("a", b"1"), ("a", b"2")),
    "below something that is no directory": tar(("a", b"1"), ("a/b", b"2")),
    "is in the archive twice": tar(("a/b", b"1"), ("a", b"2")),
    "leads out": tar(("a/../b", b"1")),
    "'/etc/passwd' in the archive leads out": tar(("/etc/passwd", b"1")),
    "has a dot": tar(("a.b", b"1")),
    "neither file": tar(info("dev", tarfile.CHRTYPE)),
    "no key": tar(info("a", comment='{"key":"a..b"}')),
    "other blobs": tar(info("a", comment='{"blobs":[3]}')),
    "is not a number": tar(info("a", comment='{"blobs":["3"]}')),
    "not a whole archive": b"this is no archive" * 100,
}


@pytest.mark.parametrize("text", BAD)
def test_bad_archives_get_one_sentence(text: str) -> None:
    with pytest.raises(OSError, match=text) as caught:
        restored(BAD[text])
    assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize("name", ["x.tar", "x.tgz", "x.tar.bz2", "x.tar.xz"])
def test_every_truncation_is_noticed(name: str) -> None:
    blobs = Memory()
    tree = GrowingTree(blobs)
    tree.apply(Txn().put_raw("a.b", "x" * 600).put_raw("a.c", b"\0" * 2048).symlink("l", "a.b"))
    whole = dumped(blobs, tree.root, name)
    noticed = 0
    lengths = range(0, len(whole) - 1, 1 + len(whole) // 1000)
    for length in lengths:
        try:
            assert restored(whole[:length])[1] == tree.root
        except OSError as exc:
            noticed += 1
            number = exc.errno
        else:
            number = errno.EINVAL
        assert number == errno.EINVAL
    assert noticed > len(lengths) / 4  # the rest is padding


def test_offline_commands(tmp_path: Path) -> None:
    store, archive = tmp_path / "old.sqlite", tmp_path / "x.tgz"
    file = FileBlobs(store, create=True)
    tree = GrowingTree(file)
    tree.apply(Txn().put_raw("a.b", "x" * 600))
    file.file.put_checkpoint(
        PRIMARY_CHECKPOINT, {"version": 1, "rootref": tree.root, "sequence": 41, "timestamp": 1.0}
    )
    file.close()
    run = CliRunner()
    result = run.invoke(dump_command, ["--store", str(store), str(archive)])
    assert (result.exit_code, result.stderr) == (0, "dumped 1 keys of version 41\n")
    assert archive.stat().st_mode & 0o777 == 0o600
    new = tmp_path / "new.sqlite"
    assert run.invoke(restore_command, ["-q", "--store", str(new), str(archive)]).exit_code == 0
    file = FileBlobs(new)
    value = file.file.get_checkpoint(PRIMARY_CHECKPOINT)
    assert isinstance(value, dict)
    assert (value["rootref"], value["sequence"]) == (tree.root, 41)
    file.close()
    again = run.invoke(restore_command, ["--store", str(new), str(archive)])
    assert isinstance(again.exception, OSError)
    assert again.exception.errno == errno.EEXIST
    cut = tmp_path / "cut.tgz"
    cut.write_bytes(archive.read_bytes()[:-30])
    assert run.invoke(restore_command, ["--store", str(tmp_path / "half"), str(cut)]).exit_code != 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "cut.tgz",
        "new.sqlite",
        "old.sqlite",
        "x.tgz",
    ]


def test_a_dump_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    store, archive = tmp_path / "s.sqlite", tmp_path / "x.tar"
    archive.write_text("before")
    file = FileBlobs(store, create=True)
    tree = GrowingTree(file)
    tree.apply(Txn().put_treeobj("a", treeobj.valref(["sha1-" + "0" * 40])))
    file.file.put_checkpoint(PRIMARY_CHECKPOINT, {"rootref": tree.root})
    file.close()
    result = CliRunner().invoke(dump_command, ["--store", str(store), str(archive)])
    assert isinstance(result.exception, OSError)
    assert result.exception.errno == errno.ENOENT
    assert archive.read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.sqlite", "x.tar"]
    assert isinstance(
        CliRunner().invoke(dump_command, ["--store", str(tmp_path / "no"), "x"]).exception, OSError
    )


class _Nowhere(io.RawIOBase):
    """A file that keeps nothing."""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        assert isinstance(data, bytes | bytearray | memoryview)
        return len(data)


def test_memory_does_not_grow_with_the_number_of_keys() -> None:
    blobs = Memory()
    entries = {f"key{number:05}": treeobj.val(b"x") for number in range(3_000)}
    blob = json.dumps(treeobj.directory(entries))
    root = treeobj.blobref(blob)
    blobs.store([(root, blob)])
    whole = dumped(blobs, root)
    restore = Restore(Memory(), silent)
    members: list[int] = []
    with (
        tarfile.open(fileobj=_Nowhere(), mode="w|", format=tarfile.PAX_FORMAT) as archive,
        tarfile.open(fileobj=io.BytesIO(whole)) as read,
    ):
        dump = Dump(blobs, archive, 1.5e9, silent)
        dump.write(root, 7)
        members.append(len(vars(archive)["members"]))
        assert len(read.getmembers()) == dump.keys + 1
    original = tarfile.TarFile.next

    def noting(self: tarfile.TarFile) -> tarfile.TarInfo | None:
        members.append(len(vars(self)["members"]))
        return original(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tarfile.TarFile, "next", noting)
        restore.read(io.BytesIO(whole), "x.tar")
    assert restore.keys == 3_000
    assert max(members) <= 1


def test_a_damaged_store_gives_what_can_be_read(tmp_path: Path) -> None:
    store = tmp_path / "damaged.sqlite"
    file = FileBlobs(store, create=True)
    tree = GrowingTree(file)
    txn = Txn()
    for name in ("whole", "lost", "later"):
        data = name.encode() * 2000
        ref = treeobj.blobref(data)
        file.store([(ref, data)])
        txn.put_treeobj(name, treeobj.valref([ref]))
    tree.apply(txn)
    file.file.put_checkpoint(PRIMARY_CHECKPOINT, {"rootref": tree.root, "sequence": 3}, sync=True)
    file.close()
    with closing(sqlite3.connect(store)) as db:
        gone = bytes.fromhex(treeobj.blobref(b"lost" * 2000).partition("-")[2])
        columns = [row[1] for row in db.execute("PRAGMA table_info(objects)")]
        assert "hash" in columns, columns
        assert db.execute("DELETE FROM objects WHERE hash = ?", (gone,)).rowcount == 1
        db.commit()
    archive = str(tmp_path / "saved.tar")
    refused = CliRunner().invoke(dump_command, ["--store", str(store), archive])
    assert refused.exit_code != 0
    words = ["--ignore-failed-read", "--store", str(store), archive]
    saved = CliRunner().invoke(dump_command, words)
    assert (saved.exit_code, "lost: " in saved.output) == (0, True)
    with tarfile.open(archive) as found:
        assert {member.name for member in found if member.isreg()} == {"whole", "later"}
