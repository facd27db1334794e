"""The commands that are run before the instance ends, after the initial program
(``flux admin cleanup-push``).
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_COMMANDS = 100_000
MAX_LENGTH = 1 << 17
"""Bytes of one command, which becomes one argument of a shell: the system takes no longer ones."""


class CleanupCommands:
    """A stack of blocks of commands: the block that was pushed last is run first, its commands in
    their own order.
    """

    def __init__(self) -> None:
        self._blocks: list[list[str]] = []
        self._count = 0
        self._closed = False

    def __len__(self) -> int:
        return self._count

    def push(self, commands: Sequence[str]) -> None:
        """Add a block, for the shell.

        Raises OSError: EINVAL for a command that no shell could get, ENOSPC for one too many, EPERM
        when the time for it is over.
        """
        if self._closed:
            raise OSError(errno.EPERM, "the instance ends, clean-up commands are not run any more")
        for command in commands:
            if "\0" in command or len(command.encode("utf-8", "surrogateescape")) >= MAX_LENGTH:
                raise OSError(
                    errno.EINVAL, f"a command has less than {MAX_LENGTH} bytes, none of them NUL"
                )
        if self._count + len(commands) > MAX_COMMANDS:
            raise OSError(errno.ENOSPC, f"there are at most {MAX_COMMANDS} clean-up commands")
        if commands:
            self._blocks.append(list(reversed(commands)))
            self._count += len(commands)

    def pop(self) -> str | None:
        """Return the command to run next, None if none is left."""
        if not self._blocks:
            return None
        block = self._blocks[-1]
        command = block.pop()
        if not block:
            self._blocks.pop()
        self._count -= 1
        return command

    def close(self) -> None:
        """Take no more commands, and forget those that have not been run."""
        self._closed = True
        self._blocks.clear()
        self._count = 0
