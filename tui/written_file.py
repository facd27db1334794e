"""Files that the dashboard writes where the user says: whole or not at all, and never over another
by accident.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def place(text: str) -> Path:
    """Return the path that somebody typed."""
    return Path(os.path.abspath(os.path.expanduser(text.strip())))


def refusal(path: Path) -> str:
    """Return why nothing can be written there, empty if nothing is known to be in the way."""
    with contextlib.suppress(OSError):
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):
            return "there is something that is not a file"
    if not path.parent.is_dir():
        return f"there is no directory {path.parent}"
    return ""


async def write(path: Path, pieces: Iterable[str], over: bool) -> int:
    """Write a file piece by piece, letting others have their turn between two, and return its
    length in bytes; ``over`` is whether it may take the place of another.

    Raises OSError: EEXIST if there is a file already, or why it cannot be written; there is no
    part of it then.
    """
    unfinished = path.with_name(f".{path.name[:100]}.{os.urandom(6).hex()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    descriptor = os.open(unfinished, flags, 0o666)
    try:
        with open(descriptor, "w", encoding="utf-8", newline="", errors="backslashreplace") as file:
            for piece in pieces:
                await asyncio.to_thread(file.write, piece)
            await asyncio.to_thread(file.flush)
            length = file.tell()
        if over:
            os.replace(unfinished, path)
        else:
            _place_new(unfinished, path)
        return length
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(unfinished)


def _place_new(unfinished: Path, path: Path) -> None:
    """Give a file its name unless another has it."""
    try:
        os.link(unfinished, path)
    except FileExistsError:
        raise
    except OSError:  # no links on this file system: nearly as good
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, "there is a file already", str(path)) from None
        os.rename(unfinished, path)
