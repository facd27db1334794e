"""A terminal to film: a shell in tmux, what is typed into it, and its frames as they were seen."""

from __future__ import annotations

import shlex
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Final

from rich.ansi import AnsiDecoder
from rich.cells import cell_len
from rich.console import Console
from rich.terminal_theme import TerminalTheme

from tui.pictures.film import Appearance, Frame, Stretch, TextLine

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rich.style import Style

PERIOD: Final = 0.12
"""Seconds between two looks at the terminal."""
INK: Final = "#cdd4e0"
_CURSOR: Final = ("display-message", "-p", "#{cursor_flag} #{cursor_x} #{cursor_y}")
_SIXTEEN: Final = [
    (58, 67, 86),
    (240, 108, 120),
    (126, 211, 108),
    (229, 176, 87),
    (94, 178, 245),
    (180, 150, 245),
    (110, 215, 205),
    (205, 212, 224),
]
"""The colours that terminals know by number, in their order."""
_THEME: Final = TerminalTheme((14, 19, 28), (205, 212, 224), _SIXTEEN)


class Stage:
    """A shell on a terminal of ``size`` columns and rows. `film` begins to record."""

    def __init__(self, place: Path, size: tuple[int, int], environment: Mapping[str, str]) -> None:
        self._socket = str(place / "tmux")
        self._seen: list[tuple[float, str]] = []
        self._ended = threading.Event()
        self._camera = threading.Thread(target=self._record, daemon=True)
        script = place / "shell"
        pairs = [f"{name}={value}" for name, value in environment.items()]
        script.write_text(shlex.join(["exec", "env", "-i", *pairs, "sh", "-i"]))
        columns, rows = map(str, size)
        self._tmux("new-session", "-d", "-x", columns, "-y", rows, "sh", str(script))
        self._tmux("set-option", "-g", "status", "off")
        self._tmux("set-option", "-g", "window-size", "manual")
        self._tmux("resize-window", "-x", columns, "-y", rows)

    def _tmux(self, *arguments: str) -> str:
        command = ["tmux", "-f", "/dev/null", "-S", self._socket, *arguments]
        done = subprocess.run(command, capture_output=True, check=True, timeout=30)
        return done.stdout.decode("utf-8", "replace")

    def film(self) -> None:
        """Record from now on."""
        self._camera.start()

    def cut(self) -> list[Frame]:
        """Stop recording; returns the frames."""
        self._ended.set()
        self._camera.join()
        self._seen.append((time.monotonic(), ""))  # the end of the last one
        return [
            Frame(frame_lines(text), after - at)
            for (at, text), (after, _) in zip(self._seen, self._seen[1:], strict=False)
        ]

    def _record(self) -> None:
        while not self._ended.wait(PERIOD):
            at = time.monotonic()
            self._seen.append((at, self._tmux("capture-pane", "-p", "-e", ";", *_CURSOR)))

    def close(self) -> None:
        """End the recording, the shell and what runs in it."""
        self._ended.set()
        if self._camera.is_alive():
            self._camera.join()
        self._tmux("kill-server")

    @property
    def screen(self) -> str:
        """What the terminal shows, as plain text."""
        return self._tmux("capture-pane", "-p")

    def until(self, *texts: str, seconds: float = 60.0) -> None:
        """Wait until the terminal shows all ``texts``; raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while not all(text in self.screen for text in texts):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the terminal did not show {texts}:\n{self.screen}")
            time.sleep(0.05)

    def until_prompt(self, prompt: str, seconds: float = 60.0) -> None:
        """Wait until a shell waits for a line; raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while self.screen.rstrip("\n").rpartition("\n")[2].rstrip() != prompt:
            if time.monotonic() > deadline:
                raise TimeoutError(f"there was no prompt:\n{self.screen}")
            time.sleep(0.05)

    def rest(self, seconds: float) -> None:
        """Leave the audience time to look."""
        time.sleep(seconds)

    def press(self, *keys: str, pause: float = 0.5) -> None:
        """Press keys, by the names that tmux has for them."""
        for key in keys:
            self._tmux("send-keys", key)
            time.sleep(pause)

    def write(self, line: str, pause: float = 0.045) -> None:
        """Type a line as a person does, and Enter."""
        for letter in line:
            self._tmux("send-keys", "-l", "\\;" if letter == ";" else letter)
            time.sleep(pause)
        time.sleep(0.4)
        self._tmux("send-keys", "Enter")


def frame_lines(captured: str) -> tuple[TextLine, ...]:
    """Return what ``tmux capture-pane -e`` printed as lines of stretches.

    Its last line tells the cursor: 1 if it is seen, then column and row.
    """
    text, _, cursor = captured.rstrip("\n").rpartition("\n")
    lines = stretches(text)
    shown, column, row = map(int, cursor.split())
    if shown and row < len(lines):
        block = Stretch(column, 1, " ", Appearance(INK, INK))
        lines[row] = (*(part for part in lines[row] if part.column != column), block)
    return tuple(lines)


def stretches(text: str) -> list[TextLine]:
    """Return lines with escapes as lines of stretches."""
    console = Console(color_system="truecolor", width=10_000)
    found: list[TextLine] = []
    # With one decoder: each line begins with the colours that the one before ended with.
    for line in AnsiDecoder().decode(text):
        parts: list[Stretch] = []
        column = 0
        for segment in line.render(console):
            if segment.text in ("", "\n"):
                continue
            cells = cell_len(segment.text)
            look = look_of(segment.style)
            if segment.text.strip() or look.ground or look.underline:
                parts.append(Stretch(column, cells, segment.text, look))
            column += cells
        found.append(tuple(parts))
    return found


def look_of(style: Style | None) -> Appearance:
    """Return how characters of that style look."""
    if style is None:
        return Appearance(INK)
    ink = style.color.get_truecolor(_THEME).hex if style.color else INK
    ground = style.bgcolor.get_truecolor(_THEME, foreground=False).hex if style.bgcolor else ""
    if style.reverse:
        ink, ground = ground or _THEME.background_color.hex, ink
    return Appearance(ink, ground, bool(style.bold), bool(style.italic), bool(style.underline))
