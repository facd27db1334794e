"""`make demo` without a terminal: real inputs, a summary, and an exit code that tells of failed
jobs and wrong digests.
"""

from __future__ import annotations

import fcntl
import os
import pathlib
import pty
import re
import select
import struct
import subprocess
import sys
import termios
from typing import TYPE_CHECKING

from .watching import ending

if TYPE_CHECKING:
    from collections.abc import Callable

DEMO = pathlib.Path(__file__).parents[2] / "examples" / "demo.py"


def demo(*arguments: str, path: str = "") -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PATH": f"{path}:{os.environ['PATH']}" if path else os.environ["PATH"],
        "LANG": "C.UTF-8",
    }
    return subprocess.run(
        [sys.executable, DEMO, *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


def replacement(folder: pathlib.Path, script: str) -> str:
    """A folder with a `sha256sum` of our own, to come first on PATH."""
    program = folder / "sha256sum"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return str(folder)


def test_hashes_the_standard_library() -> None:
    done = demo("--jobs", "200")
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.splitlines()[-1]
    assert re.fullmatch(
        r"demo: 200 jobs, 200 ok, 0 failed, 0 wrong digests, [\d.]+ s, \d+ jobs/s", last
    ), done.stdout
    assert re.search(r"^demo: \d+/200 done, 0 failed, ", done.stdout, re.MULTILINE)


def test_a_failed_job_fails_the_demo(tmp_path: pathlib.Path) -> None:
    path = replacement(
        tmp_path, 'case "$1" in */ast.py) exit 3;; esac; exec /usr/bin/sha256sum "$@"'
    )
    done = demo("--jobs", "120", "--brokers", "1", path=path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "120 jobs, 119 ok, 1 failed, 1 wrong digests" in done.stdout
    assert "failed with 3" in done.stderr


def test_a_wrong_digest_fails_the_demo(tmp_path: pathlib.Path) -> None:
    path = replacement(
        tmp_path, '[ "${1##*/}" = ast.py ] && echo "0000  $1" || exec /usr/bin/sha256sum "$@"'
    )
    done = demo("--jobs", "120", "--brokers", "1", path=path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "120 ok, 0 failed, 2 wrong digests" in done.stdout


def test_on_a_terminal_the_dashboard_shows_the_jobs() -> None:
    """Type q once the dashboard has drawn a finished job; what follows is the summary."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    with ending(
        subprocess.Popen(
            [sys.executable, DEMO, "--jobs", "120", "--brokers", "1"],
            stdin=follower,
            stdout=follower,
            stderr=follower,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8"},
        )
    ) as process:
        os.close(follower)
        seen = _read_until(leader, lambda text: "sha256sum" in text)
        os.write(leader, b"q")
        rest = _read_until(leader, lambda text: "wrong digests" in text)
        while process.poll() is None and _read_some(leader):
            pass
        assert process.wait(60) == 0
    os.close(leader)
    assert "sha256sum" in seen
    assert re.search(r"demo: 120 jobs, 120 ok, 0 failed, 0 wrong digests", rest)


def _read_some(descriptor: int) -> str:
    """What the terminal shows next, at most a minute from now; empty at its end."""
    ready, _, _ = select.select([descriptor], [], [], 60)
    assert ready, "nothing was shown for a minute"
    try:
        return os.read(descriptor, 65536).decode("utf-8", "replace")
    except OSError:  # EIO: the last program has closed it
        return ""


def _read_until(descriptor: int, condition: Callable[[str], bool]) -> str:
    text = ""
    while not condition(text):
        piece = _read_some(descriptor)
        assert piece, f"ended early: {text[-2000:]}"
        text += piece
    return text
