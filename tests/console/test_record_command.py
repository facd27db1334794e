"""``flux top --record`` and ``--replay`` from a shell."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance
from tests.console.test_recordings import DAY
from tests.console.test_top_command import read_until
from tests.system.watching import PATIENCE, background, ending, line
from tui.feed.replay import ReplayFeed

if TYPE_CHECKING:
    from collections.abc import Iterator

FLUX = str(Path(sys.executable).with_name("flux"))


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(1) as running:
        yield running


@pytest.fixture
def steady_world() -> None:
    """A real instance has the real time."""


@pytest.mark.parametrize("name", ["night.jsonl", "night.jsonl.gz"])
def test_recording_without_a_screen(instance: Instance, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with background(instance, "top", "--linear", "--record", str(path)) as top:
        while "cores in use" not in line(top):
            pass
        jobid = instance.run("mini", "submit", "false").stdout.strip()
        while f"{jobid} " not in (told := line(top)) or "failed" not in told:
            assert told
        top.terminate()
        _, errors = top.communicate(timeout=PATIENCE)
        assert (top.returncode, errors) == (143, "")
    feed = ReplayFeed(str(path))
    while feed._read():  # noqa: SLF001 - as its run does
        pass
    assert feed.index.ended
    assert len(feed.failures) == 1
    seconds = feed.index.trends.rings[0]
    assert sum(map(sum, seconds.launches.values())) == 1
    assert sum(seconds.failed) >= 1  # those before are told by the job list
    assert any(seconds.polled)
    feed.lines.close()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--record", "/nowhere/x"], "--record /nowhere/x: No such file or directory"),
        (["--replay", "x", "ƒ1"], "--replay shows a recording on the screen: it takes no an inst"),
        (["--replay", "x", "--record", "y"], "--replay shows a recording on the screen: it takes"),
    ],
)
def test_wrong_use_is_told(instance: Instance, arguments: list[str], message: str) -> None:
    done = instance.run("top", "--linear", *arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("flux-top: ")
    assert message[:40] in done.stderr


def on_terminal(*command: str, stdin: int | None = None) -> tuple[subprocess.Popen[bytes], int]:
    """Start a command on a terminal of its own."""
    terminal, theirs = pty.openpty()
    environment = {
        name: value for name, value in os.environ.items() if name not in ("FLUX_URI", "NO_COLOR")
    } | {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30", "LANG": "C.UTF-8"}
    process = subprocess.Popen(
        [sys.executable, "-c", CONTROLLING, *command],
        env=environment,
        stdin=theirs if stdin is None else stdin,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    return process, terminal


CONTROLLING = (
    "import fcntl, os, sys, termios; fcntl.ioctl(1, termios.TIOCSCTTY, 0); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)
"""Runs a command with its standard output as its controlling terminal."""


def test_a_recording_is_shown_on_a_terminal_without_an_instance() -> None:
    process, terminal = on_terminal(FLUX, "top", "--replay", str(DAY))
    with ending(process) as top:
        read_until(terminal, b"1x")
        os.write(terminal, b".")
        read_until(terminal, b"10.")
        os.write(terminal, b"q")
        read_until(terminal, b"\x1b[?1049l")
        assert top.wait(PATIENCE) == 0
    os.close(terminal)


def test_a_recording_comes_out_of_a_pipe_while_keys_come_from_the_terminal() -> None:
    ours, theirs = os.pipe()
    process, terminal = on_terminal(FLUX, "top", "--replay", "-", stdin=ours)
    os.close(ours)
    with ending(process) as top, os.fdopen(theirs, "wb") as pipe:
        pipe.write(DAY.read_bytes())
        pipe.flush()
        read_until(terminal, b"1x")
        os.write(terminal, b"q")
        read_until(terminal, b"\x1b[?1049l")
        assert top.wait(PATIENCE) == 0
    os.close(terminal)


def test_what_is_no_recording_is_refused_on_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello\n")
    process, terminal = on_terminal(FLUX, "top", "--replay", str(tmp_path / "text"))
    with ending(process) as top:
        read_until(terminal, b"not a recording of flux top")
        assert top.wait(PATIENCE) == 1
    os.close(terminal)
