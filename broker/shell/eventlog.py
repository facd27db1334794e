"""Event log entries (RFC 18) and headers of output and input logs (RFC 24), encoded as the KVS
stores them: one JSON text a line; and the cutting of output into lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flux.eventlog import encode
from flux.eventlog import entry as new_entry

if TYPE_CHECKING:
    from collections.abc import Mapping

STREAMS = ("stdout", "stderr")
COALESCE_LINES = 64
COALESCE_BYTES = 16384


def entry(
    name: str, context: Mapping[str, object] | None = None, timestamp: float | None = None
) -> str:
    """Return the line of one event, newline included; ``timestamp`` in seconds since the epoch, now
    by default.
    """
    return encode(new_entry(name, context or None, timestamp))


def output_header(ntasks: int) -> str:
    """Return the header of an output log of ``ntasks`` tasks."""
    context = {
        "version": 1,
        "encoding": {"stdout": "UTF-8", "stderr": "UTF-8"},
        "count": {"stdout": ntasks, "stderr": ntasks},
        "options": {},
    }
    return entry("header", context)


def input_header() -> str:
    """Return the header of an input log."""
    return entry(
        "header",
        {"version": 1, "encoding": {"stdin": "UTF-8"}, "count": {"stdin": 1}, "options": {}},
    )


class LineBuffer:
    """Splits a byte stream into what becomes data events: whole lines, bounded in memory.

    A reader that is behind gets many lines at once; beyond `COALESCE_LINES` they are joined into
    chunks of up to `COALESCE_BYTES`, so that bulk output does not cost one event a line. One that
    is ``unbuffered`` passes everything on as it comes.
    """

    def __init__(self, unbuffered: bool = False) -> None:
        self._partial = bytearray()
        self._unbuffered = unbuffered

    def feed(self, data: bytes) -> list[bytes]:
        """Add ``data``, return the pieces that are complete."""
        if self._unbuffered:
            return [data] if data else []
        end = data.rfind(b"\n") + 1
        if not end:
            self._partial += data
            if len(self._partial) >= COALESCE_BYTES:
                return self.finish()
            return []
        head = bytes(self._partial) + data[:end]
        self._partial[:] = data[end:]
        if head.count(b"\n") <= COALESCE_LINES:
            return head.splitlines(keepends=True) if b"\r" not in head else _split(head)
        return _chunks(head)

    def finish(self) -> list[bytes]:
        """Return the rest, a last line without newline."""
        rest = bytes(self._partial)
        self._partial.clear()
        return [rest] if rest else []


def _split(text: bytes) -> list[bytes]:
    """Split at newlines only (bytes.splitlines also splits at carriage returns)."""
    return [line + b"\n" for line in text.split(b"\n")[:-1]]


def _chunks(text: bytes) -> list[bytes]:
    """Cut ``text``, which ends in a newline, into chunks of whole lines."""
    out: list[bytes] = []
    start, size = 0, len(text)
    while start < size:
        end = (
            size
            if size - start <= COALESCE_BYTES
            else text.rfind(b"\n", start, start + COALESCE_BYTES) + 1
        )
        if end <= start:
            end = text.find(b"\n", start) + 1
        out.append(text[start:end])
        start = end
    return out
