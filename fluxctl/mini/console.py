"""Where bulk submission writes: the terminal, or the files of ``--log`` and ``--log-stderr``, one
or many.
"""

from __future__ import annotations

import os
import select
import sys
from typing import BinaryIO, TextIO

from fluxctl.errors import ReaderGone

_MAX_OPEN = 64


def _write_all(descriptor: int, data: bytes) -> None:
    """Write past Python's buffer, which Ctrl+C in the middle of a flush leaves full: it would be
    written twice.
    """
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            select.select([], [descriptor], [])
        except BrokenPipeError as exc:
            raise ReaderGone(*exc.args) from None


class Console:
    """Writes to stdout, stderr and log files; at most 64 files are open at a time."""

    def __init__(self) -> None:
        self._files: dict[str, BinaryIO] = {}
        self._seen: set[str] = set()

    def _file(self, path: str) -> BinaryIO:
        file = self._files.pop(path, None)
        if file is None:
            if len(self._files) >= _MAX_OPEN:
                self._files.pop(next(iter(self._files))).close()
            file = open(path, "ab" if path in self._seen else "wb")  # noqa: SIM115 - close() does
            self._seen.add(path)
        self._files[path] = file
        return file

    def out(self, data: bytes, log: str | None) -> None:
        """Write to a log file, or to stdout if there is none.

        OSError if the file cannot be written.
        """
        self._put(sys.stdout, data, log)

    def err(self, data: bytes, log: str | None) -> None:
        """Write to a log file, or to stderr if there is none.

        OSError if the file cannot be written.
        """
        self._put(sys.stderr, data, log)

    def _put(self, stream: TextIO, data: bytes, log: str | None) -> None:
        if log is not None:
            file = self._file(log)
            file.write(data)
            file.flush()
            return
        buffer = getattr(stream, "buffer", None)
        if buffer is None:
            stream.write(data.decode("utf-8", "replace"))
            return
        # What was printed before must come out before.
        buffer.flush()
        if hasattr(buffer, "raw"):
            _write_all(buffer.fileno(), data)
        else:
            buffer.write(data)

    def close(self) -> None:
        """Close the log files."""
        for file in self._files.values():
            file.close()
        self._files.clear()
