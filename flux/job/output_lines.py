"""Whole lines out of what the tasks of a job write in pieces: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flux.idset import IDset
from flux.job import io

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flux.job.output_events import IoEvent

LONGEST_LINE: Final = 1 << 20
"""Bytes after which a line that does not end is handed on as it is."""


def output_text(data: bytes) -> str:
    """Return output as text: bytes that are not UTF-8 become U+FFFD."""
    return data.decode("utf-8", "replace")


class WholeLines:
    """Makes whole lines of what tasks write in pieces, each with the task that wrote it if
    ``labelio``; messages of the shell above ``level`` are left out. Lines have their newline with
    ``keepends``.
    """

    def __init__(self, labelio: bool, level: int, keepends: bool) -> None:
        self._labelio = labelio
        self._level = level
        self._keepends = keepends
        self._begun: dict[tuple[str, str], bytes] = {}

    def take(self, event: IoEvent) -> Iterator[tuple[str, str]]:
        """Yield the lines that an event completes."""
        if event.name != "data":
            for stream, data in event.pieces(self._labelio, self._level):
                yield self._shown(stream, "", data)
            return
        for rank in map(str, IDset(event.rank)) if event.rank != "all" else ("all",):
            key = event.stream, rank
            *lines, rest = (self._begun.pop(key, b"") + event.raw).split(b"\n")
            for line in lines:
                yield self._shown(event.stream, rank, line + b"\n")
            if rest and (event.eof or len(rest) >= LONGEST_LINE):
                yield self._shown(event.stream, rank, rest)
            elif rest:
                self._begun[key] = rest

    def rest(self) -> Iterator[tuple[str, str]]:
        """Yield the lines that have no end."""
        for (stream, rank), line in self._begun.items():
            yield self._shown(stream, rank, line)
        self._begun = {}

    def _shown(self, stream: str, rank: str, line: bytes) -> tuple[str, str]:
        line = line if self._keepends else line.removesuffix(b"\n")
        return stream, output_text(io.labelled(rank, line) if self._labelio and rank else line)
