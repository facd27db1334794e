"""What plugins and initrc files print: part of the job's log, since a shell has no terminal."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from broker.shell.context import ShellContext

STREAMS: Final = (("stdout", 1), ("stderr", 2))


class LoggedStream(io.TextIOBase):
    """A stream whose lines are told in the job's exec log; in a process that becomes a task, it is
    the task's.
    """

    def __init__(self, shell: ShellContext, name: str, fd: int) -> None:
        self._shell = shell
        self._name = name
        self._fd = fd
        self._rest = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if self._shell.in_task:
            os.write(self._fd, text.encode("utf-8", "surrogateescape"))
            return len(text)
        lines = (self._rest + text).split("\n")
        self._rest = lines.pop()
        if lines:
            self._tell("".join(f"{line}\n" for line in lines))
        return len(text)

    def _tell(self, text: str) -> None:
        shown = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        self._shell.log_stream(self._name, shown)

    def end(self) -> None:
        """Tell what has no end of line yet."""
        rest, self._rest = self._rest, ""
        if rest:
            self._tell(f"{rest}\n")


def log_what_is_printed(shell: ShellContext) -> None:
    """Have this process, which is a shell of one job, print to the job's log."""
    for name, fd in STREAMS:
        stream = LoggedStream(shell, name, fd)
        shell.on_end.append(stream.end)
        setattr(sys, name, stream)
