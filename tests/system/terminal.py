"""A command on a terminal of its own, which a test reads and types on."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from typing import TYPE_CHECKING

from tests.system.watching import PATIENCE, ending

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class Terminal:
    """What a command shows on its terminal, and keys for it."""

    def __init__(self, descriptor: int, process: subprocess.Popen[bytes]) -> None:
        self._descriptor = descriptor
        self.process = process
        self.seen = ""

    def send(self, text: str) -> None:
        """Type."""
        os.write(self._descriptor, text.encode())

    def until(self, pattern: str) -> str:
        """Read until a pattern has come; returns what was shown up to its end, and takes that
        off.
        """
        deadline = time.monotonic() + PATIENCE
        while (found := re.search(pattern, self.seen)) is None:
            left = deadline - time.monotonic()
            assert left > 0, f"{pattern} has not come: {self.seen!r}"
            assert self._read(left), f"{pattern} has not come before the end: {self.seen!r}"
        shown, self.seen = self.seen[: found.end()], self.seen[found.end() :]
        return shown

    def end(self) -> tuple[int, str]:
        """Wait for the end of the command; returns its exit code and what it showed since."""
        deadline = time.monotonic() + PATIENCE
        while self._read(max(deadline - time.monotonic(), 0.0)):
            assert time.monotonic() < deadline, f"no end: {self.seen!r}"
        return self.process.wait(PATIENCE), self.seen

    def _read(self, patience: float) -> bool:
        """Take in what comes; returns False once nobody writes any more."""
        if select.select([self._descriptor], [], [], patience)[0]:
            try:
                data = os.read(self._descriptor, 65536)
            except OSError:
                return False
            self.seen += data.decode("utf-8", "replace")
        return True


@contextlib.contextmanager
def on_terminal(
    command: Sequence[str], environment: Mapping[str, str], *, size: tuple[int, int] = (24, 80)
) -> Iterator[Terminal]:
    """Run a command on a terminal of ``size`` lines and columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    try:
        process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment,
            cwd=environment.get("HOME"),
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        os.close(theirs)
        with ending(process):
            yield Terminal(ours, process)
    finally:
        os.close(ours)


def _take_terminal() -> None:
    """Make standard input the terminal that Ctrl+C comes from."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
