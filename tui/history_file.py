"""Histories that outlive the dashboard, each a file of lines that its owner alone may read."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final

from tui import settings_file
from tui.model.history import LONGEST, MOST, TypedLines

if TYPE_CHECKING:
    from pathlib import Path

QUERIES: Final = "top-history"
COMMANDS: Final = "top-commands"
_MOST_BYTES: Final = MOST * LONGEST
_SLACK: Final = 2
"""How many times what is remembered a file may hold before it is written anew."""


def history(name: str) -> TypedLines:
    """Return the history that is kept under that name; where it cannot be read or kept, one of this
    session.
    """
    path = settings_file.state_path(name)
    lines = _lines(path)
    if len(lines) > _SLACK * MOST:
        with contextlib.suppress(OSError):
            settings_file.replace(path, "".join(f"{line}\n" for line in lines[-MOST:]))
    return TypedLines(lines, lambda line: _append(path, line))


def _lines(path: Path) -> list[str]:
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - _MOST_BYTES))
            text = file.read(_MOST_BYTES).decode(errors="replace")
    except OSError:
        return []
    return [line for line in text.split("\n") if line.strip() and line.isprintable()]


def _append(path: Path, line: str) -> None:
    """Add a line: several dashboards may do so at a time."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(path, flags, 0o600)
        try:
            os.fchmod(descriptor, 0o600)
            os.write(descriptor, f"{line}\n".encode())
        finally:
            os.close(descriptor)
