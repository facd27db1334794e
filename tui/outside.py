"""Other programs in the terminal of the dashboard, which steps aside for them: a pager, an editor,
``flux job attach``.
"""

from __future__ import annotations

import errno
import os
import shlex
import shutil
from typing import TYPE_CHECKING, Final, Protocol

from textual.app import SuspendNotSupported

from tui import processes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

AND_WAIT: Final = ("sh", "-c", '"$@"; printf "\\nEnter goes back to flux top: "; read -r _', "sh")
"""What runs a program whose last words shall be read before the dashboard comes back."""


class HasTerminal(Protocol):
    """An application with a terminal: it is ``away`` while that is somebody else's, and must not
    draw.
    """

    away: bool

    def batch_update(self) -> AbstractContextManager[None]:
        """Draw nothing for a while."""

    def suspend(self) -> AbstractContextManager[None]:
        """Leave the terminal; raises SuspendNotSupported where there is none."""

    def refresh(self) -> object:
        """Draw everything anew."""


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


async def run_outside(app: HasTerminal, words: Sequence[str], env: Mapping[str, str]) -> int:
    """Give the terminal to a program until it ends; returns its exit code. The connections go on
    meanwhile.

    Raises OSError if it cannot be started, ENOTSUP where the dashboard has no terminal of its own.
    """
    if shutil.which(words[0]) is None:
        raise OSError(errno.ENOENT, f"{words[0]}: no such program")
    try:
        # Nothing is drawn meanwhile: it would wait for ever for a terminal that takes it.
        with app.batch_update(), app.suspend():
            app.away = True
            return await processes.in_the_terminal(words, env)
    except SuspendNotSupported:
        raise OSError(
            errno.ENOTSUP, "other programs cannot be shown here: there is no terminal"
        ) from None
    finally:
        app.away = False
        app.refresh()
