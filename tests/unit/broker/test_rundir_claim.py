"""Run directories: dead ones of this user go, everything else stays."""

from __future__ import annotations

import os
import pathlib

import pytest

from broker.attributes import Attributes
from broker.rundir_claim import LOCK_FILE, hold, make_rundir, sweep
from broker.socket_path import check_rundir, check_socket_paths


@pytest.fixture
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_a_live_directory_stays_and_a_dead_one_goes(folder: pathlib.Path) -> None:
    path, first = make_rundir()
    assert os.stat(path).st_mode & 0o777 == 0o700
    second = hold(path)
    assert second is not None
    (pathlib.Path(path) / "content.sqlite").write_text("data")
    os.close(first)
    assert sweep(str(folder)) == []
    assert os.path.isdir(path)
    os.close(second)
    assert sweep(str(folder)) == [path]
    assert not os.path.exists(path)


def test_making_one_removes_the_dead_ones(folder: pathlib.Path) -> None:
    dead, fd = make_rundir()
    os.close(fd)
    path, fd = make_rundir()
    assert os.listdir(folder) == [os.path.basename(path)]
    assert path != dead
    os.close(fd)


def test_what_is_not_ours_is_never_touched(folder: pathlib.Path) -> None:
    plain = folder / "flux-plain"
    plain.mkdir()
    other_name = folder / "other-dead"
    other_name.mkdir()
    (other_name / LOCK_FILE).write_text("x")
    other_host = folder / "flux-host"
    other_host.mkdir()
    (other_host / LOCK_FILE).write_text("another.host\n")
    dead, fd = make_rundir()
    os.close(fd)
    victim = folder / "victim"
    os.rename(dead, victim)
    (folder / "flux-link").symlink_to(victim)
    behind = folder / "flux-behind"
    behind.mkdir()
    (behind / LOCK_FILE).symlink_to(victim / LOCK_FILE)
    pipe = folder / "flux-pipe"
    pipe.mkdir()
    os.mkfifo(pipe / LOCK_FILE)
    before = sorted(folder.rglob("*"))
    assert sweep(str(folder)) == []
    assert sweep(str(folder / "missing")) == []
    assert sorted(folder.rglob("*")) == before
    assert hold(str(plain)) is None
    assert hold(str(behind)) is None


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to give a directory away")
@pytest.mark.parametrize("which", ["directory", "lock"])
def test_another_users_directory_stays(folder: pathlib.Path, which: str) -> None:
    path, fd = make_rundir()
    os.close(fd)
    os.chown(path if which == "directory" else os.path.join(path, LOCK_FILE), 65534, 65534)
    assert sweep(str(folder)) == []
    assert os.path.isdir(path)


def test_socket_paths_have_a_bound() -> None:
    attrs = Attributes()
    check_socket_paths(attrs, "/" + "d" * 98, 0)
    check_rundir("/" + "d" * 98, 8)
    with pytest.raises(
        OSError, match="socket path of 109 bytes exceeds the limit of 107, set TMPDIR or rundir"
    ):
        check_rundir("/" + "d" * 99, 11)
    with pytest.raises(OSError, match="socket path of 115 bytes"):
        check_socket_paths(attrs, "/" + "é" * 53, 0)
    attrs.define("local-uri", "local:///" + "x" * 107)
    with pytest.raises(OSError, match="exceeds the limit of 107"):
        check_socket_paths(attrs, "/tmp", 0)
