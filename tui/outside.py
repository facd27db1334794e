"""Other programs in the terminal of the dashboard, which steps aside for them: a pager, an editor,
``flux job attach``.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shlex
import shutil
import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from textual.app import SuspendNotSupported

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from textual.app import App

AND_WAIT: Final = ("sh", "-c", '"$@"; printf "\\nEnter goes back to flux top: "; read -r _', "sh")
"""What runs a program whose last words shall be read before the dashboard comes back."""


def pager() -> list[str]:
    """Return the words of the command that shows a file."""
    return _command(("PAGER",), "less")


def editor() -> list[str]:
    """Return the words of the command that edits a file."""
    return _command(("VISUAL", "EDITOR"), "vi")


def _command(names: Sequence[str], otherwise: str) -> list[str]:
    chosen = next((value for name in names if (value := os.environ.get(name, "").strip())), "")
    try:
        return shlex.split(chosen) or [otherwise]
    except ValueError:
        return [chosen]


def flux_command() -> str:
    """Return the path of ``flux``: the one beside this Python, else what the PATH has."""
    beside = Path(sys.executable).with_name("flux")
    return str(beside) if beside.exists() else shutil.which("flux") or "flux"


async def run_outside(
    app: App[None], command: Sequence[str], environment: Mapping[str, str] | None = None
) -> int:
    """Give the terminal to a program until it ends; returns its exit code. The connections go on
    meanwhile.

    Raises OSError if it cannot be started, ENOTSUP where the dashboard has no terminal of its own.
    """
    found = shutil.which(command[0])
    if found is None:
        raise OSError(errno.ENOENT, f"{command[0]}: no such program")
    try:
        # Nothing is painted while the terminal is somebody else's.
        with app.batch_update(), app.suspend(), _interrupts_left_to_it():
            process = await asyncio.create_subprocess_exec(
                found, *command[1:], env={**os.environ, **(environment or {})}
            )
            return await process.wait()
    except SuspendNotSupported:
        raise OSError(
            errno.ENOTSUP, "other programs cannot be shown here: there is no terminal"
        ) from None


@contextmanager
def _interrupts_left_to_it() -> Iterator[None]:
    """Have Ctrl+C end what is in the program and not the dashboard behind it.

    A handler that does nothing, and not "ignore": the program would inherit that.
    """
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
