"""A shell in a terminal, by tmux: what it shows, and the state that programs leave it in."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.system.watching import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PROGRAM = shutil.which("tmux")
MISSING = "tmux is not installed"
_STATE = (
    "#{alternate_on}#{mouse_any_flag}#{mouse_all_flag}#{mouse_sgr_flag} #{cursor_flag}#{wrap_flag}"
)
ORDINARY = "0000 11"
"""No alternate screen, no mouse; a cursor, lines that wrap."""


class Tmux:
    """A session of a tmux server of its own."""

    def __init__(self, place: Path) -> None:
        self._socket = place / "tmux"

    def call(self, *arguments: str) -> str:
        assert PROGRAM is not None
        command = [PROGRAM, "-f", "/dev/null", "-S", str(self._socket), *arguments]
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=True)
        return done.stdout.decode("utf-8", "replace")

    def type(self, *keys: str) -> None:
        """Press keys, by the names that tmux has for them; words are typed as they are."""
        for key in keys:
            self.call("send-keys", key)

    def run(self, command: str) -> None:
        """Type a line into the shell."""
        self.call("send-keys", "-l", command)
        self.call("send-keys", "Enter")

    def paste(self, text: str) -> None:
        """Paste, with the marks that a program which asked for them gets."""
        self.call("set-buffer", text)
        self.call("paste-buffer", "-p")

    def resize(self, columns: int, rows: int) -> None:
        self.call("resize-window", "-x", str(columns), "-y", str(rows))

    @property
    def screen(self) -> str:
        return self.call("capture-pane", "-p")

    @property
    def colored(self) -> str:
        """The screen with the escapes of its colours."""
        return self.call("capture-pane", "-p", "-e")

    @property
    def state(self) -> str:
        """The modes that the terminal is in, see `ORDINARY`."""
        return self.call("display-message", "-p", _STATE).strip()

    def until(self, *texts: str) -> str:
        """Wait until the screen shows all ``texts``; returns it."""
        return self.until_so(lambda: all(text in self.screen for text in texts))

    def pressed(self, key: str, text: str) -> bool:
        """Press a key unless the screen shows what it leads to; tells whether it does."""
        if text not in self.screen:
            self.type(key)
        return text in self.screen

    def until_so(self, condition: Callable[[], bool]) -> str:
        """Wait until ``condition`` holds; returns the screen."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"it never showed that:\n{self.screen}"
            time.sleep(0.03)
        return self.screen

    def child(self) -> int:
        """Return the process that the shell runs in the foreground."""
        shell = int(self.call("display-message", "-p", "#{pane_pid}"))
        text = Path(f"/proc/{shell}/stat").read_text()
        group = int(text.rpartition(")")[2].split()[5])
        assert group != shell
        return group


@contextlib.contextmanager
def terminal(
    environment: Mapping[str, str], *, size: tuple[int, int] = (120, 40), true_color: bool = True
) -> Iterator[Tmux]:
    """Run a shell in a terminal of that size for a block."""
    given = {"TERM": "tmux-256color", "LANG": "C.UTF-8", "PS1": "$ ", "ENV": ""}
    if true_color:
        given["COLORTERM"] = "truecolor"
    settings = {**environment, **given}
    for name in () if true_color else ("COLORTERM",):
        settings.pop(name, None)
    with tempfile.TemporaryDirectory(prefix="tmux-") as place:
        tmux = Tmux(Path(place))
        pairs = [f"{name}={value}" for name, value in settings.items()]
        # In a file: tmux would take a ; at the end of a value for the end of its command.
        script = Path(place) / "shell"
        script.write_text(shlex.join(["exec", "env", "-i", *pairs, "sh", "-i"]))
        columns, rows = map(str, size)
        tmux.call("new-session", "-d", "-x", columns, "-y", rows, "sh", str(script))
        try:
            tmux.call("set-option", "-g", "status", "off")
            tmux.call("set-option", "-g", "window-size", "manual")
            tmux.resize(*size)
            tmux.until("$")
            yield tmux
        finally:
            with contextlib.suppress(subprocess.SubprocessError):
                server = int(tmux.call("display-message", "-p", "#{pid}"))
                tmux.call("kill-server")
                _until_gone(server)


def _until_gone(pid: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:
        time.sleep(0.01)
