"""Archives from files and back: permissions, holes, links, and that nothing gets out of the
directory.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from typing import TYPE_CHECKING, cast

import pytest

from flux.filearchive.objects import parse_archive
from flux.filearchive.packing import INLINE_MAX, pack
from flux.filearchive.regions import CHUNK
from flux.filearchive.source import file_object
from flux.filearchive.unpacking import ArchiveUnpacker, unpack
from flux.job.Jobspec import JobspecV1

if TYPE_CHECKING:
    import pathlib


class Blobs(dict[str, bytes]):
    def store(self, data: bytes) -> str:
        ref = "sha1-" + hashlib.sha1(data).hexdigest()
        self[ref] = data
        return ref


def mode(path: pathlib.Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_a_tree_comes_back_as_it_was(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "closed").mkdir(parents=True)
    target.mkdir()
    (source / "closed" / "run").write_text("#!/bin/sh\n")
    (source / "closed" / "run").chmod(0o750)
    (source / "closed").chmod(0o555)
    (source / "link").symlink_to("nowhere")
    (source / "bytes").write_bytes(b"\xff\0" * 100)
    large = os.urandom(2 * CHUNK + 17)
    (source / "large").write_bytes(large)
    blobs = Blobs()
    monkeypatch.chdir(source)
    objects = list(pack(["."], blobs.store))
    assert [one["path"] for one in objects] == ["bytes", "closed", "closed/run", "large", "link"]
    assert unpack(objects, str(target), blobs.__getitem__) == 5
    assert (target / "closed" / "run").read_text() == "#!/bin/sh\n"
    assert mode(target / "closed" / "run") == 0o750
    assert mode(target / "closed") == 0o555
    assert os.readlink(target / "link") == "nowhere"
    assert (target / "bytes").read_bytes() == b"\xff\0" * 100
    assert (target / "large").read_bytes() == large
    assert all(len(blob) < 2 * CHUNK for blob in blobs.values())
    (source / "closed").chmod(0o755)
    (target / "closed").chmod(0o755)


def test_holes_cost_nothing(tmp_path: pathlib.Path) -> None:
    source, target = tmp_path / "sparse", tmp_path / "target"
    target.mkdir()
    with source.open("wb") as file:
        file.seek(1 << 30)
        file.write(b"x" * 10)
        file.seek(1 << 31)
        file.write(b"end")
    blobs = Blobs()
    (one,) = pack([str(source)], blobs.store)
    assert one["path"] == str(source).lstrip("/")
    one["path"] = "sparse"
    assert sum(map(len, blobs.values())) < 1 << 20
    assert all(len(blob) >= INLINE_MAX for blob in blobs.values())
    unpack([one], str(target), blobs.__getitem__)
    made = target / "sparse"
    assert made.stat().st_size == (1 << 31) + 3
    assert made.stat().st_blocks * 512 < 1 << 20
    with made.open("rb") as file:
        file.seek((1 << 30) - 5)
        assert file.read(20) == b"\0" * 5 + b"x" * 10 + b"\0" * 5
        file.seek(1 << 31)
        assert file.read() == b"end"


def test_a_file_of_holes_only_has_no_content(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "holes"
    path.touch()
    os.truncate(path, 1 << 40)
    (one,) = pack([str(path)], Blobs().store)
    assert (one["size"], "data" in one) == (1 << 40, False)


def test_what_cannot_be_packed(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    with pytest.raises(OSError, match="pipe: unsupported file type"):
        list(pack(["pipe"], Blobs().store))
    with pytest.raises(FileNotFoundError):
        list(pack(["nosuch"], Blobs().store))
    os.close(os.open(b"caf\xe9", os.O_CREAT))
    with pytest.raises(OSError, match="its name is not UTF-8"):
        list(pack([os.fsdecode(b"caf\xe9")], Blobs().store))
    with pytest.raises(OSError, match="leads out of the directory"):
        list(pack([f"../{tmp_path.name}/pipe"], Blobs().store))


FILE = {"mode": 33188, "data": "new"}


@pytest.mark.parametrize(
    ("archive", "text"),
    [
        ({"../out": FILE}, "../out: leads out"),
        ({"/tmp/out": FILE}, "/tmp/out: leads out"),
        ({"link": {"mode": 41471, "data": ".."}, "link/out": FILE}, "link/out: link is no dir"),
        ({"old/out": FILE}, "old/out: old is no directory"),
        ({"old": {"mode": 16877}}, "old: old is no directory"),
        ({"there/deep/out": FILE}, "there/deep/out: there/deep is no directory"),
    ],
)
def test_nothing_gets_out_of_the_directory(
    tmp_path: pathlib.Path, archive: dict[str, object], text: str
) -> None:
    target = tmp_path / "target"
    (target / "there").mkdir(parents=True)
    (target / "old").symlink_to("..")
    (target / "there" / "deep").symlink_to("/")
    with pytest.raises(OSError, match=text.replace(".", r"\.")):
        unpack(archive, str(target))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["target"]
    assert not os.path.exists("/out")


def test_a_file_takes_the_place_of_a_link_not_of_its_target(tmp_path: pathlib.Path) -> None:
    target, outside = tmp_path / "target", tmp_path / "outside"
    target.mkdir()
    outside.write_text("kept")
    (target / "x").symlink_to(outside)
    unpack({"x": FILE}, str(target))
    assert ((target / "x").read_text(), outside.read_text()) == ('"new"', "kept")
    assert not (target / "x").is_symlink()


def test_what_is_there_is_kept_unless_it_may_be_replaced(tmp_path: pathlib.Path) -> None:
    (tmp_path / "x").write_text("old")
    (one,) = parse_archive({"x": FILE})
    refused = pytest.raises(OSError, match="x: write: Attempt to overwrite existing file")
    with ArchiveUnpacker(str(tmp_path), lambda _: b"") as unpacker, refused:
        unpacker.write(one)
    assert (tmp_path / "x").read_text() == "old"
    unpack({"x": FILE}, str(tmp_path))
    assert (tmp_path / "x").read_text() == '"new"'
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_blob_of_another_size_is_refused_and_leaves_nothing(tmp_path: pathlib.Path) -> None:
    ref = "sha1-" + "0" * 40
    one = {"mode": 33188, "size": 9, "encoding": "blobvec", "data": [[0, 5, ref]]}
    with pytest.raises(OSError, match=f"x: {ref} has 3 bytes instead of 5") as caught:
        unpack({"x": one}, str(tmp_path), lambda _: b"abc")
    assert caught.value.errno == errno.EIO
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OSError, match="is not in the archive"):
        unpack({"x": one}, str(tmp_path))


def test_a_directory_that_is_not_there(tmp_path: pathlib.Path) -> None:
    with pytest.raises(OSError, match=r"chdir .*/nosuch: No such file or directory"):
        unpack({}, str(tmp_path / "nosuch"))


def test_files_of_a_jobspec(tmp_path: pathlib.Path) -> None:
    script = tmp_path / "run.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o750)
    jobspec = JobspecV1.from_command(["true"])
    jobspec.add_file("a.b/run.sh", str(script))
    jobspec.add_file("text", "two\nlines", perms=0o444)
    jobspec.add_file("conf", {"a": 1})
    jobspec.add_file("bytes", b"\xff", encoding=None)
    jobspec.add_file("coded", b"ab", encoding="base64")
    assert jobspec.getattr("system.files") == {
        "a.b/run.sh": {"mode": 0o100750, "size": 10, "encoding": "utf-8", "data": "#!/bin/sh\n"},
        "text": {"mode": 0o100444, "size": 9, "encoding": "utf-8", "data": "two\nlines"},
        "conf": {"mode": 0o100600, "size": 7, "encoding": "utf-8", "data": '{"a":1}'},
        "bytes": {"mode": 0o100600, "size": 1, "encoding": "base64", "data": "/w=="},
        "coded": {"mode": 0o100600, "size": 2, "encoding": "base64", "data": "YWI="},
    }


def test_files_that_a_jobspec_does_not_take(tmp_path: pathlib.Path) -> None:
    jobspec = JobspecV1.from_command(["true"])
    with pytest.raises(OSError, match="leads out"):
        jobspec.add_file("../x", "a\n")
    with pytest.raises(FileNotFoundError):
        jobspec.add_file("x", "nosuchfile")
    with pytest.raises(IsADirectoryError):
        jobspec.add_file("x", str(tmp_path))
    with pytest.raises(ValueError, match="permissions are from 0 to 0777"):
        jobspec.add_file("x", "a\n", perms=0o4755)
    with pytest.raises(ValueError, match="encoding is utf-8 or base64, not rot13"):
        jobspec.add_file("x", "a\n", encoding="rot13")
    with pytest.raises(UnicodeDecodeError):
        file_object(b"\xff", encoding="utf-8")
    with pytest.raises(TypeError, match="not int"):
        file_object(cast("str", 3))
    assert jobspec._get("system.files") is None  # noqa: SLF001
