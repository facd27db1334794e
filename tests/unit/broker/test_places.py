"""Directories, sockets and files are taken only where nobody else could have interfered."""

from __future__ import annotations

import errno
import os
import socket
import stat
from typing import TYPE_CHECKING

import pytest

from broker.config import Rundir
from broker.places import append_file, bind_socket, check_directory, make_directory, remove_socket
from fluxctl.errors import CommandError
from fluxctl.local_instance import _own_directory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="gives files to another user")
NOBODY = 65534


@pytest.fixture(params=[0o000, 0o022, 0o777], autouse=True)
def umask(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[int]:
    """Each test under an open, a usual and a closed umask."""
    assert tmp_path.is_dir()  # it is made before the mask counts
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path | str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def test_a_directory_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    make_directory(str(tmp_path / "a" / "b"))
    assert mode(tmp_path / "a") == mode(tmp_path / "a" / "b") == 0o700


def test_a_rundir_is_made_and_removed(tmp_path: Path) -> None:
    rundir = Rundir(str(tmp_path / "run"))
    assert rundir.created
    assert mode(rundir.path) == 0o700
    rundir.remove()
    assert not os.path.exists(rundir.path)
    own = Rundir(None)
    assert mode(own.path) == 0o700
    own.remove()


@pytest.mark.parametrize("given", ["{}", "{}/", "{}/.", "{}/x/..", "."])
def test_a_rundir_that_exists_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    tmp_path.chmod(0o711)
    monkeypatch.chdir(tmp_path)
    rundir = Rundir(given.format(tmp_path))
    assert not rundir.created
    rundir.remove()
    assert tmp_path.is_dir()


def test_an_empty_rundir_is_not_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError, match="the path is empty"):
        Rundir("")
    assert tmp_path.is_dir()
    with pytest.raises(CommandError, match="the path is empty"):
        _own_directory("")
    assert tmp_path.is_dir()


@pytest.mark.parametrize("open_mode", [0o777, 0o770, 0o720, 0o1777, 0o702])
def test_a_rundir_that_others_may_write_is_refused(tmp_path: Path, open_mode: int) -> None:
    tmp_path.chmod(open_mode)
    with pytest.raises(OSError, match="may be written by other users") as refused:
        Rundir(str(tmp_path))
    assert refused.value.errno == errno.EPERM


@needs_root
def test_a_rundir_of_another_user_is_refused(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    make_directory(str(theirs))
    os.chown(theirs, NOBODY, NOBODY)
    with pytest.raises(OSError, match="belongs to another user"):
        Rundir(str(theirs))


@needs_root
def test_a_rundir_behind_another_users_link_is_refused(tmp_path: Path) -> None:
    mine, link = tmp_path / "mine", tmp_path / "link"
    make_directory(str(mine))
    link.symlink_to(mine)
    check_directory(str(link), "rundir")
    os.lchown(link, NOBODY, NOBODY)
    with pytest.raises(OSError, match="symbolic link of another user"):
        Rundir(str(link))


def test_a_rundir_that_is_no_directory_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    os.close(os.open(file, os.O_CREAT, 0o600))
    with pytest.raises(OSError, match="Not a directory"):
        Rundir(str(file))
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError):
        Rundir(str(dangling))


def test_a_socket_has_its_mode_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    for wanted in (0o700, 0o777):
        bind_socket(str(tmp_path / "s"), wanted).close()
        assert mode(tmp_path / "s") == wanted
    assert os.umask(umask) == umask


@pytest.mark.parametrize("kind", ["file", "link", "directory"])
def test_only_a_socket_is_replaced(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "s"
    if kind == "file":
        path.touch(0o600)
    elif kind == "link":
        path.symlink_to(tmp_path / "elsewhere")
    else:
        make_directory(str(path))
    with pytest.raises(FileExistsError, match="is no socket of this user"):
        bind_socket(str(path), 0o700)
    remove_socket(str(path))
    assert os.path.lexists(path)


def test_a_socket_in_an_open_directory_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(OSError, match="may be written by other users"):
        bind_socket(str(tmp_path / "s"), 0o700)
    tmp_path.chmod(0o1777)
    bind_socket(str(tmp_path / "s"), 0o700).close()
    remove_socket(str(tmp_path / "s"))
    assert not os.path.lexists(tmp_path / "s")


@needs_root
def test_another_users_socket_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"
    theirs = socket.socket(socket.AF_UNIX)
    theirs.bind(str(path))
    os.chown(path, NOBODY, NOBODY)
    with pytest.raises(FileExistsError):
        bind_socket(str(path), 0o700)
    theirs.close()


def test_a_log_file_is_private_and_grows(tmp_path: Path) -> None:
    path = tmp_path / "log"
    for _ in range(2):
        descriptor = append_file(str(path))
        os.write(descriptor, b"line\n")
        os.close(descriptor)
    assert mode(path) == 0o600
    assert path.read_bytes() == b"line\nline\n"


@needs_root
@pytest.mark.parametrize("kind", ["link", "file"])
def test_a_planted_log_file_is_not_written(tmp_path: Path, kind: str) -> None:
    path, target = tmp_path / "log", tmp_path / "target"
    target.touch()
    if kind == "link":
        path.symlink_to(target)
    else:
        path.touch()
    os.lchown(path, NOBODY, NOBODY)
    with pytest.raises(OSError, match="another user"):
        append_file(str(path))
    assert target.read_bytes() == b""
