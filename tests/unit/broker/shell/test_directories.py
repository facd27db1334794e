"""Temporary directories of jobs: as new for each, and gone by name when it has ended."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from broker.shell import directories
from broker.shell.directories import Directories, PlainDirectories, SpareDirectories

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.fixture(params=[PlainDirectories, SpareDirectories])
def any_kind(request: pytest.FixtureRequest) -> Directories:
    made: Directories = request.param()
    return made


def test_each_is_new_and_gone_afterwards(any_kind: Directories, tmp_path: Path) -> None:
    for number in range(4):
        path = tmp_path / str(number)
        any_kind.make(str(path))
        assert path.stat().st_mode & 0o7777 == 0o700
        assert list(path.iterdir()) == []
        if number % 2:
            (path / "inside").mkdir()
            (path / "inside" / "file").write_text("x")
        any_kind.remove(str(path))
        assert not path.exists()
    any_kind.remove(str(tmp_path / "never"))
    any_kind.remove("")


def test_one_that_exists_is_not_taken(any_kind: Directories, tmp_path: Path) -> None:
    any_kind.make(str(tmp_path / "a"))
    any_kind.remove(str(tmp_path / "a"))
    (tmp_path / "b").mkdir()
    for _ in range(2):
        with pytest.raises(FileExistsError):
            any_kind.make(str(tmp_path / "b"))


def test_a_shared_shell_makes_one_directory_for_many_jobs(tmp_path: Path) -> None:
    spare = SpareDirectories()
    inodes = set()
    for number in range(50):
        path = tmp_path / str(number)
        spare.make(str(path))
        inodes.add(path.stat().st_ino)
        spare.remove(str(path))
    assert len(inodes) == 1
    spare.close()
    assert list(tmp_path.iterdir()) == []


def test_what_a_job_has_changed_is_not_kept(tmp_path: Path) -> None:
    spare = SpareDirectories()
    changes: list[Callable[[Path], None]] = [lambda p: p.chmod(0o755), lambda p: (p / "x").touch()]
    for number, change in enumerate(changes):
        path = tmp_path / str(number)
        spare.make(str(path))
        change(path)
        spare.remove(str(path))
        assert not path.exists()
        until(lambda: list(tmp_path.iterdir()) == [])


def test_only_so_many_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directories, "MOST_SPARES", 3)
    spare = SpareDirectories()
    paths = [str(tmp_path / str(number)) for number in range(10)]
    for path in paths:
        spare.make(path)
    for path in paths:
        spare.remove(path)
    until(lambda: len(list(tmp_path.iterdir())) == 3)
    spare.close()
    assert list(tmp_path.iterdir()) == []


def test_what_the_thread_is_removing_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, go_on = threading.Event(), threading.Event()
    remove = directories.PlainDirectories.remove

    def slowly(self: directories.PlainDirectories, path: str) -> None:
        began.set()
        assert go_on.wait(60)
        remove(self, path)

    monkeypatch.setattr(directories.PlainDirectories, "remove", slowly)
    spare = SpareDirectories()
    spare.make(str(tmp_path / "one"))
    (tmp_path / "one" / "x").touch()
    spare.remove(str(tmp_path / "one"))
    assert began.wait(60)
    closing = threading.Thread(target=spare.close)
    closing.start()
    try:
        closing.join(0.05)
        assert closing.is_alive()
    finally:
        go_on.set()
        closing.join(60)
    assert list(tmp_path.iterdir()) == []


def test_another_place_gets_its_own(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    spare = SpareDirectories()
    spare.make(str(tmp_path / "one" / "a"))
    spare.remove(str(tmp_path / "one" / "a"))
    spare.make(str(tmp_path / "two" / "a"))
    assert (tmp_path / "two" / "a").is_dir()
    until(lambda: list((tmp_path / "one").iterdir()) == [])
