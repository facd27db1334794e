"""Writing a recording: whole lines, to the file's end as it is on the disk, once a second.

What cannot be written ends the recording, never the dashboard: the file keeps the lines that were
whole, and the reason is told in a sentence.
"""

from __future__ import annotations

import errno
import os
import time
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from flux import __version__
from flux.wire import json
from tui.model.notes import NoteKind
from tui.model.tape import header, jobs_of, state_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from flux.wire.json import JsonMapping, JsonObject
    from tui.model.dashboard import Dashboard

FLUSH_SECONDS: Final = 1.0
TIME_SECONDS: Final = 10.0
"""How often the time is written down while nothing else happens."""
_BUFFER: Final = 1 << 18
_UNKNOWN: Final = frozenset({".zst", ".zstd", ".xz", ".bz2", ".lz4", ".zip"})
"""Ends of names that promise what is not done."""
_GZIP: Final = 31
"""Window bits that make zlib write the format of gzip."""


class Recorder:
    """Records ``dashboard`` in a new file at ``path``, compressed if its name ends in ``.gz``.
    ``failed`` is called with a sentence if it has to end.

    What the dashboard knows already is written first, some of it at each tick. Raises OSError if
    the file cannot be made, or is there.
    """

    def __init__(
        self, path: Path, dashboard: Dashboard, failed: Callable[[str], None] = lambda text: None
    ) -> None:
        if path.suffix in _UNKNOWN:
            text = f"recordings are compressed by gzip: {path.with_suffix('.gz').name} would be"
            raise OSError(errno.EINVAL, text)
        self.path = path
        self.written = 0
        """Bytes in the file, all of whole lines."""
        self._dashboard, self._failed = dashboard, failed
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._squeeze = zlib.compressobj(wbits=_GZIP) if path.suffix == ".gz" else None
        self._buffer = bytearray()
        self._silent = False
        self._flushed = self._told = time.monotonic()
        self._jobs: Iterator[tuple[str, JsonObject]] = iter(())
        self._write(header(dashboard.clock(), __version__))
        for kind, facts in state_of(dashboard):
            self.note(kind, facts)
        self._jobs = jobs_of(dashboard.table)
        self._write_jobs()
        dashboard.tape = self

    @property
    def recording(self) -> bool:
        """Whether it still goes on."""
        return self._file >= 0

    def note(self, kind: str, facts: JsonMapping) -> None:
        """Write down something that was told now."""
        if facts.get("new") and kind == NoteKind.JOBS:
            self._jobs = iter(())  # those that were not written yet are no more
        if self.recording:
            self._write({"t": round(self._dashboard.clock(), 3), "k": kind, **facts})
            if len(self._buffer) >= _BUFFER:
                self._flush()

    def tick(self, asked: float, heard: float) -> None:
        """Write down the time that passes, and what was known before; flush."""
        self._write_jobs()
        now = time.monotonic()
        if bool(asked) != self._silent:
            self._silent = bool(asked)
            self.note(NoteKind.SILENT, {"since": asked, "heard": heard})
        if now - self._told >= TIME_SECONDS:
            self.note(NoteKind.TIME, {})
        if now - self._flushed >= FLUSH_SECONDS:
            self._flush()

    def close(self) -> None:
        """End the recording, in an orderly way: all that is known is in it."""
        while self.recording and self._write_jobs():
            pass
        self.note(NoteKind.END, {})
        self._flush(last=True)
        self._release()

    def _write_jobs(self) -> bool:
        """Write some of the jobs that were known before; tells whether there were any."""
        found = next(self._jobs, None)
        if found is not None:
            self.note(*found)
        return found is not None

    def _write(self, note: JsonMapping) -> None:
        self._told = time.monotonic()
        self._buffer += json.dumps(note)
        self._buffer += b"\n"

    def _flush(self, last: bool = False) -> None:
        data = bytes(self._buffer)
        self._buffer.clear()
        self._flushed = time.monotonic()
        if self._squeeze is not None:
            mode = zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH
            data = self._squeeze.compress(data) + self._squeeze.flush(mode) if data or last else b""
        try:
            self._put(data)
        except OSError as error:
            # What is there of the last lines is taken away: a disk that is full lets one do that.
            with suppress(OSError):
                os.ftruncate(self._file, self.written)
            self._release()
            self._failed(f"recording ended: {self.path}: {error.strerror or error}")

    def _put(self, data: bytes) -> None:
        if not self.recording:
            return
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]
        self.written += len(data)

    def _release(self) -> None:
        if self.recording:
            os.close(self._file)
            self._file = -1
        if self._dashboard.tape is self:
            self._dashboard.tape = None
