"""The broker's log: a ring of RFC 5424-like lines, for stderr, a file and rank 0."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections import deque
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from broker.attributes import Attributes, constant, integer
from broker.places import append_file
from flux.logline import Entry
from flux.terminal_text import terminal_line
from flux.wire.errors import os_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EMERG, ALERT, CRIT, ERR, WARNING, NOTICE, INFO, DEBUG = range(8)


def timestamp(now: float) -> str:
    """Return seconds since the epoch as ``2026-11-21T00:20:16.607853Z``."""
    seconds, micros = divmod(round(now * 1_000_000), 1_000_000)
    return f"{_second(seconds)}.{micros:06}Z"


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


class LogRing:
    """The log of one broker.

    ``forward`` sends a line to rank 0; on rank 0 it is None. ``followers`` are called with each new
    entry.
    """

    def __init__(
        self, rank: int, attrs: Attributes, forward: Callable[[str], None] | None = None
    ) -> None:
        self.rank = rank
        self.forward = forward
        self.count = 0
        self.level = DEBUG
        self.forward_level = DEBUG
        self.critical_level = CRIT
        self.stderr_level = ERR
        self.stderr_mode = "leader"
        self.filename: str | None = None
        self._file_failed = False
        self.followers: list[Callable[[Entry], None]] = []
        self._ring: deque[Entry] = deque(maxlen=1024)
        self._define(attrs)

    def _define(self, attrs: Attributes) -> None:
        for name, field in (
            ("log-level", "level"),
            ("log-forward-level", "forward_level"),
            ("log-critical-level", "critical_level"),
            ("log-stderr-level", "stderr_level"),
        ):
            attrs.define_number(name, self, field, least=EMERG, most=DEBUG)
        attrs.define_active("log-ring-size", lambda: str(self._ring.maxlen), self._resize)
        attrs.define_active("log-ring-used", lambda: str(len(self._ring)), constant)
        attrs.define_active("log-count", lambda: str(self.count), constant)
        attrs.define_active("log-stderr-mode", lambda: self.stderr_mode, self._set_mode)
        if self.rank == 0:
            attrs.define_active("log-filename", lambda: self.filename, self._set_filename)
        else:
            attrs.define("log-filename", attrs.get("log-filename"), immutable=True)

    def _resize(self, value: str) -> None:
        size = integer(value)
        if size < 0:
            raise os_error(errno.EINVAL)
        self._ring = deque(self._ring, maxlen=size)

    def _set_filename(self, path: str) -> None:
        """Write to another file from now on, to none if the path is empty."""
        if path:
            try:
                os.close(append_file(path))
            except OSError as exc:
                reason = exc.strerror or ""
                raise OSError(
                    exc.errno, reason if path in reason else f"{path}: {reason}"
                ) from None
        self.filename = path or None
        self._file_failed = False

    def _set_mode(self, value: str) -> None:
        if value not in ("leader", "local"):
            raise os_error(errno.EINVAL)
        self.stderr_mode = value

    def __iter__(self) -> Iterator[Entry]:
        return iter(tuple(self._ring))

    def clear(self) -> None:
        """Empty the ring."""
        self._ring.clear()

    def append(self, entry: Entry) -> None:
        """Log an entry of this broker or of one below it: each line of its text as an entry without
        what a terminal would act on.
        """
        for line in entry.lines():
            self._append(_printable(line))

    def _append(self, entry: Entry) -> None:
        local = entry.rank == self.rank
        if entry.severity <= self.level and (local or self.rank == 0):
            self.count += 1
            self._ring.append(entry)
            for follower in tuple(self.followers):
                follower(entry)
        if self._wants_stderr(entry, local):
            self._write(entry.readable() + "\n")
        if self.filename and entry.severity <= self.forward_level:
            self._write_file(self.filename, entry.readable() + "\n")
        if local and self.forward is not None and entry.severity <= self.forward_level:
            self.forward(entry.line())

    def _wants_stderr(self, entry: Entry, local: bool) -> bool:
        if local and entry.severity <= self.critical_level:
            return True
        if entry.severity > self.stderr_level:
            return False
        return local if self.stderr_mode == "local" else self.rank == 0

    def _write_file(self, path: str, text: str) -> None:
        """Add a line to the file of ``log-filename``; what keeps it from being written is told
        once, until it is mended.
        """
        try:
            descriptor = append_file(path)
            try:
                os.write(descriptor, text.encode("utf-8", "backslashreplace"))
            finally:
                os.close(descriptor)
        except OSError as exc:
            if not self._file_failed:
                self._write(f"log-filename: {path}: {exc.strerror}\n")
            self._file_failed = True
        else:
            self._file_failed = False

    @staticmethod
    def _write(text: str) -> None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except (OSError, ValueError):
            return


def _printable(entry: Entry) -> Entry:
    """Return an entry whose name, process id and text are fit for a terminal."""
    if entry.name.isprintable() and entry.text.isprintable() and entry.pid.isprintable():
        return entry
    return entry._replace(
        name=terminal_line(entry.name),
        pid=terminal_line(entry.pid),
        text=terminal_line(entry.text),
    )


class Logger:
    """Logs under one name into a ring."""

    def __init__(
        self, name: str, append: Callable[[Entry], None], rank: int, now: Callable[[], float]
    ) -> None:
        self.name = name
        self._append = append
        self._rank = rank
        self._now = now
        self._pid = str(os.getpid())

    def log(self, severity: int, text: str) -> None:
        """Log ``text`` with a syslog severity, 0 (emerg) to 7 (debug)."""
        self._append(
            Entry(severity, timestamp(self._now()), self._rank, self.name, self._pid, text)
        )

    def debug(self, text: str) -> None:
        """Log something of use to developers."""
        self.log(DEBUG, text)

    def info(self, text: str) -> None:
        """Log a normal event."""
        self.log(INFO, text)

    def notice(self, text: str) -> None:
        """Log a normal but notable event."""
        self.log(NOTICE, text)

    def warning(self, text: str) -> None:
        """Log something that may become a problem."""
        self.log(WARNING, text)

    def err(self, text: str) -> None:
        """Log a failure; it is shown on the broker's stderr."""
        self.log(ERR, text)

    def crit(self, text: str) -> None:
        """Log a failure that ends the broker."""
        self.log(CRIT, text)

    def alert(self, text: str) -> None:
        """Log something that needs action."""
        self.log(ALERT, text)

    def exception(self, text: str, exc: BaseException) -> None:
        """Log an unexpected exception: ``text`` as an error and the place it came from for
        developers.
        """
        self.err(text)
        for line in "".join(traceback.format_exception(exc)).rstrip().split("\n"):
            self.debug(line)
