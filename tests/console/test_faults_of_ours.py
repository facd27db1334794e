"""A fault of the dashboard's own: the terminal is as it was, one sentence, a report in a file."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import termios
from typing import TYPE_CHECKING

import pytest

from tests.console.test_terminal import Terminal
from tests.system.watching import PATIENCE, ending

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import sys
from tui.terminal_app import TerminalApp

class Faulty(TerminalApp):
    def on_mount(self):
        super().on_mount()
        self.secret = "a value"
        self.call_after_refresh(self.fail, "somebody's value")

    def fail(self, value):
        raise KeyError("name\\x1b]0;title\\x07\\udcff")

app = Faulty()
app.run()
sys.exit(app.return_code)
"""


@pytest.fixture
def steady_world() -> None:
    """A process of its own has the real time."""


@pytest.mark.parametrize("writable", [True, False])
def test_a_fault_is_told_in_a_sentence(tmp_path: Path, writable: bool) -> None:
    state = tmp_path / "state"
    if not writable:
        state.write_text("a file where the directory should be")
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "TERM": "xterm-256color", "XDG_STATE_HOME": str(state)},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    with ending(process):
        terminal = Terminal(ours)
        terminal.until("report")
        while process.poll() is None:
            terminal.read()
        assert process.wait(PATIENCE) == 1
    assert termios.tcgetattr(theirs) == before
    os.close(theirs)
    os.close(ours)
    last = terminal.written.rpartition(b"\x1b[?1049l")[2].decode()
    assert "flux top: error: a fault of the dashboard ended it, KeyError:" in last
    assert "\x1b]0;title" not in last
    assert "value" not in last
    report = state / "flux" / "top-fault"
    if not writable:
        assert "no report could be written" in last.replace("\r\n", " ")
        return
    text = report.read_text()
    assert "Traceback" in text
    assert "in fail" in text
    assert "somebody" not in text
    assert report.stat().st_mode & 0o777 == 0o600
