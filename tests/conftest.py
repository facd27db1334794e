"""What every test leaves behind: no process, no run directory."""

from __future__ import annotations

import contextlib
import os
import pathlib
import stat
import tempfile
import time
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

GRACE = 60.0  # seconds that an orderly shutdown may still take after a test has returned


def _children() -> dict[int, psutil.Process]:
    return {p.pid: p for p in psutil.Process().children(recursive=True) if p.is_running()}


def _is_leftover(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _run_directories() -> set[pathlib.Path]:
    found = pathlib.Path(tempfile.gettempdir()).glob("flux-*")
    return {path for path in found if _is_own_directory(path)}


def _is_own_directory(path: pathlib.Path) -> bool:
    try:
        status = path.lstat()
    except FileNotFoundError:  # it has just been removed, as it should be
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()


def _describe(process: psutil.Process) -> str:
    try:
        return f"{process.pid} {' '.join(process.cmdline())[:120]}"
    except psutil.Error:
        return str(process.pid)


@pytest.fixture(autouse=True, scope="module")
def leaves_no_process_behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fail the module whose tests leave a child process running or a run directory behind.

    Checked once a module, after its own fixtures have ended, because a module may share one
    instance among its tests. Run directories are those under this test run's own TMPDIR, so that
    instances of other users and runs do not count.
    """
    home = tmp_path_factory.mktemp("rundirs", numbered=True)
    before = set(_children())
    previous, tempfile.tempdir = tempfile.tempdir, None
    saved = os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = str(_short_alias(home))
    tempfile.gettempdir()
    try:
        yield
        deadline = time.monotonic() + GRACE
        while (
            left := [p for pid, p in _children().items() if pid not in before and _is_leftover(p)]
        ) or _run_directories():
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        directories = _run_directories()
    finally:
        alias = pathlib.Path(os.environ["TMPDIR"])
        if saved is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = saved
        tempfile.tempdir = previous
        alias.unlink(missing_ok=True)
    described = [_describe(process) for process in left]
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    assert not left, "processes left behind: " + "; ".join(described)
    assert not directories, f"run directories left behind: {sorted(map(str, directories))}"


def _short_alias(directory: pathlib.Path) -> pathlib.Path:
    """A short symbolic link to `directory`: a Unix socket's path has 107 bytes, pytest's
    directories need most of them.
    """
    base = tempfile.mkdtemp(prefix="ft-", dir="/tmp")
    os.rmdir(base)
    os.symlink(directory, base)
    return pathlib.Path(base)


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is UTC for a test."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()
