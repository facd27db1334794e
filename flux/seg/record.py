"""What the reader of the events has seen: a file of SEG lines, from which ``flux seg`` goes on."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections import Counter, deque
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

from flux.seg.jobs import RETELL_SECONDS
from flux.seg.protocol import LINE_MAX, StateChange, parse_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


_MESSAGE: Final = re.compile(rb"[0-9]{3};")
"""What the lines of any message begin with."""


class SeenLines(NamedTuple):
    """Where a record ends: ``timestamp`` is that of the earliest event that may be missing, in
    seconds since the epoch; ``changes`` are those it has from there on.
    """

    timestamp: int
    changes: tuple[StateChange, ...]


def read_record(path: str, now: float) -> SeenLines | None:
    """Return the end of the record in a file; None for one that is empty or does not exist yet.

    A last line without its end was not seen. ``now`` is the time in seconds since the epoch.
    Raises OSError, EINVAL for a file of something else: all that has happened would be lost.
    """
    try:
        file = open(path, "rb")  # noqa: SIM115 - it is closed below
    except FileNotFoundError:
        return None
    with file:
        changes = _changes(file)
        first = next(changes, None)
        if first is None:
            file.seek(0, os.SEEK_SET)
            _check_messages(file)
            return None
        (last,) = deque(chain((first,), changes), maxlen=1)
        # The clock may have been set back since, or been ahead for a while.
        since = int(min(last.timestamp, now) - RETELL_SECONDS)
        if first.timestamp <= now:
            since = max(first.timestamp, since)
        file.seek(0, os.SEEK_SET)
        return SeenLines(since, tuple(one for one in _changes(file) if one.timestamp >= since))


def trim(path: str, fd: int) -> None:
    """Take a last line without its end away from a record that is added to through ``fd``: what
    comes next begins a line. Raises OSError.
    """
    with contextlib.suppress(FileNotFoundError), open(path, "r+b") as file:
        if not os.path.sameopenfile(file.fileno(), fd):
            return
        size = file.seek(max(file.seek(0, os.SEEK_END) - LINE_MAX, 0))
        tail = file.read()
        if tail and not tail.endswith(b"\n"):
            file.truncate(size + tail.rfind(b"\n") + 1)


def _check_messages(lines: Iterable[bytes]) -> None:
    other = False
    for line in lines:
        if line.endswith(b"\n"):
            if _MESSAGE.match(line):
                return
            other = True
    if other:
        raise OSError(errno.EINVAL, "there is no line of the SEG protocol in it")


def _changes(lines: Iterable[bytes]) -> Iterator[StateChange]:
    for line in lines:
        if line.endswith(b"\n") and (change := parse_line(line)) is not None:
            yield change


class Unseen:
    """Keeps back the lines that a record has already, each as often as it is there."""

    def __init__(self, changes: Iterable[StateChange]) -> None:
        self._seen = Counter(changes)

    def is_new(self, line: bytes) -> bool:
        """Tell whether the reader has not seen a line."""
        if not self._seen:
            return True
        change = parse_line(line)
        if change is None or not self._seen.get(change):
            return True
        self._seen[change] -= 1
        if not self._seen[change]:
            del self._seen[change]
        return False
