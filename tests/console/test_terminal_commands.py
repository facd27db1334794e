"""The terminal is left to a command, and taken back."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import termios
import time
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance
from tests.console.test_terminal import FLUX, Terminal
from tests.system.watching import PATIENCE, ending

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def steady_world() -> None:
    """A real instance has the real time."""


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(1) as running:
        yield running


@contextlib.contextmanager
def dashboard(instance: Instance, state: Path) -> Iterator[Terminal]:
    """``flux top`` on a terminal that is its own, so that keys are signals."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    settings = {
        "TERM": "xterm-256color", "LANG": "C.UTF-8", "COLORTERM": "truecolor",
        "XDG_STATE_HOME": str(state), "XDG_CONFIG_HOME": str(state),
    }  # fmt: skip
    # The first terminal that the leader of a session opens is its own.
    script = f'exec "$0" top <"{os.ttyname(theirs)}" >"{os.ttyname(theirs)}" 2>&1'
    process = subprocess.Popen(
        ["/bin/sh", "-c", script, FLUX],
        env={**instance.environment, **settings},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        with ending(process):
            yield Terminal(ours)
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_command_has_the_terminal_until_it_ends(instance: Instance, tmp_path: Path) -> None:
    with dashboard(instance, tmp_path) as terminal:
        terminal.until("Quit")
        terminal.press(":", "unmark")
        terminal.press("python -i\r", ">>> ")
        terminal.press("print(6 * 7)\r", "42\r\n>>> ")
        # For the command alone, which says so and goes on. Between its prompt and its reading it
        # only notes that it was interrupted, and says so at the next key.
        since, began = len(terminal.written), time.monotonic()
        os.write(terminal.descriptor, b"\x03")
        while b"KeyboardInterrupt" not in terminal.written[since:]:
            waited = time.monotonic() - began
            assert waited < PATIENCE, terminal.written[since:]
            if not terminal.read() and waited > 1:
                os.write(terminal.descriptor, b"\r")
        terminal.press("print(3 * 7)\r", "21\r\n>>> ")
        # Nobody is there to go on from a stop.
        terminal.press("\x1aprint(5 * 7)\r", "35")
        terminal.press("exit(5)\r", "exit code 5")
        terminal.press("?", "Esc closes")


def test_the_instance_is_that_of_the_dashboard(instance: Instance, tmp_path: Path) -> None:
    with dashboard(instance, tmp_path) as terminal:
        terminal.until("Quit")
        terminal.press(":", "unmark")
        terminal.press(
            "python -c \"import os; print('at', os.environ['FLUX_URI'])\"\r", "exit code 0"
        )
        assert f"at {instance.uri}".encode() in terminal.written
