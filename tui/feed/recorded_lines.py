"""The lines of a recording: of a file, of a compressed one, of a pipe; of what still grows, those
that are whole by now.

What cannot be read at any place, compressed or from a pipe, goes to a file without a name first.
"""

from __future__ import annotations

import errno
import os
import select
import stat
import tempfile
import zlib
from typing import Final

from flux.wire import json
from tui.model.recorded import NotARecording

PIECE: Final = 1 << 18
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_ANY_GZIP: Final = 31
_TAIL: Final = 1 << 20
_LONGEST: Final = 1 << 30
"""Bytes of a line beyond which it is no line of a recording."""


class RecordedLines:
    """Reads the recording in ``path``, or what the descriptor ``pipe`` gives. Raises OSError."""

    def __init__(self, path: str, pipe: int | None = None) -> None:
        self.name = "standard input" if pipe is not None else path
        self._source = os.open(path, os.O_RDONLY | os.O_CLOEXEC) if pipe is None else pipe
        self.size = 0
        self._regular = stat.S_ISREG(os.fstat(self._source).st_mode)
        beginning = os.pread(self._source, 4, 0) if self._regular else b""
        self._packed = False
        self._unpack = zlib.decompressobj(_ANY_GZIP)
        self._file = self._source
        _refuse_zstd(beginning)
        if not self._regular or beginning.startswith(_GZIP):
            self._file = self._spool()
        self._begun = False
        self._read_to = 0
        self._consumed = 0
        self._rest = b""
        self.broken = ""
        """Why nothing more is read, although there is more."""

    @staticmethod
    def _spool() -> int:
        with tempfile.TemporaryFile(prefix="flux-top-") as file:
            return os.dup(file.fileno())

    @property
    def progress(self) -> float | None:
        """How much of the file has been read, 0 to 1; None for a pipe, that never tells."""
        if not self._regular:
            return None
        size = os.fstat(self._source).st_size
        return min(1.0, self._consumed / size) if size else 1.0

    @property
    def whole(self) -> int:
        """Where the last whole line ends."""
        return self._read_to - len(self._rest)

    @property
    def cut(self) -> bool:
        """Whether there is the beginning of a line at the end."""
        return bool(self._rest)

    def length(self) -> float | None:
        """Return about how many seconds it is long, by its first and last lines; None if that
        cannot be told yet.
        """
        if self._file != self._source:
            return None
        size = os.fstat(self._source).st_size
        times = []
        for data in (
            os.pread(self._source, _TAIL, 0),
            os.pread(self._source, _TAIL, max(0, size - _TAIL)),
        ):
            found = [time for time in map(_time, data.splitlines()) if time is not None]
            times += found[:1] + found[-1:]
        return max(times) - min(times) if times else None

    def more(self) -> list[tuple[int, bytes]]:
        """Return the next lines with where each begins; none if there is nothing new by now."""
        data = self._piece()
        if not data:
            return []
        text = self._rest + data
        whole, newline, rest = text.rpartition(b"\n")
        start = self._read_to - len(text)
        if not newline:
            self._rest = text
            if len(text) > _LONGEST:
                self.broken = "a line without an end"
            return []
        self._rest = rest
        lines = []
        for line in whole.split(b"\n"):
            lines.append((start, line))
            start += len(line) + 1
        return lines

    def _piece(self) -> bytes:
        """Return the next bytes of the text, and keep them where they can be read again."""
        if self.broken:
            return b""
        if self._file == self._source:
            data = os.pread(self._source, PIECE, self._read_to)
            self._consumed = self._read_to + len(data)
        else:
            data = self._unpacked(self._raw())
            os.pwrite(self._file, data, self._read_to)
        self._read_to += len(data)
        return data

    def _raw(self) -> bytes:
        if not self._regular and not select.select([self._source], [], [], 0)[0]:
            return b""
        data = os.read(self._source, PIECE)
        self._consumed += len(data)
        return data

    def _unpacked(self, data: bytes) -> bytes:
        if not self._begun and data:
            self._begun = True
            self._packed = data.startswith(_GZIP)
            _refuse_zstd(data)
        if not self._packed or not data:
            return data
        try:
            return self._unpack.decompress(data)
        except zlib.error:
            self.broken = "the compressed data are damaged"
            return b""

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes of the text from ``start`` to ``end``."""
        found = bytearray()
        while len(found) < end - start:
            data = os.pread(self._file, end - start - len(found), start + len(found))
            if not data:
                raise OSError(errno.EIO, f"{self.name} has become shorter")
            found += data
        return bytes(found)

    def close(self) -> None:
        """Close the files."""
        for one in {self._source, self._file}:
            os.close(one)


def _refuse_zstd(beginning: bytes) -> None:
    if beginning.startswith(_ZSTD):
        raise NotARecording(errno.EINVAL, "compressed by zstd: unpack it first, with zstd -d")


def _time(line: bytes) -> float | None:
    try:
        note = json.loads(line)
    except ValueError:
        return None
    time = note.get("t") if isinstance(note, dict) else None
    return float(time) if isinstance(time, int | float) else None
