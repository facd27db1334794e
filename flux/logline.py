"""Lines of the broker's log as they travel and as people read them: ``<pri>1 time rank name pid - -
text`` (RFC 5424's shape).
"""

from __future__ import annotations

import errno
from typing import Final, NamedTuple

from flux.wire.message import encode_text

SEVERITIES: Final = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
"""Names of the syslog severities 0 to 7."""


LONGEST_NAME: Final = 48
"""Characters of the name of a program (flux_log(3))."""


def client_line(level: int, rank: int, name: str, procid: str, text: str) -> bytes:
    """Return the payload of ``log.append`` for what a program says now; raises OSError(EINVAL) if
    ``level`` is not a severity.
    """
    import time
    from datetime import UTC, datetime

    if level not in range(len(SEVERITIES)):
        raise OSError(errno.EINVAL, f"{level} is not a log level: they are 0 (emerg) to 7 (debug)")
    stamp = datetime.fromtimestamp(time.time(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    line = Entry(level, stamp, rank, name[:LONGEST_NAME], procid, text).line()
    return encode_text(line)


class Entry(NamedTuple):
    """One log line: severity 0 to 7, timestamp as written, rank, program name, process id and
    text.
    """

    severity: int
    timestamp: str
    rank: int
    name: str
    pid: str
    text: str

    def line(self) -> str:
        """Return the entry as it travels."""
        head = f"<{self.severity << 3}>1 {self.timestamp} {self.rank} {self.name} {self.pid}"
        return f"{head} - - {self.text}"

    def lines(self) -> list[Entry]:
        """Return the entry once for each line of its text, without those that are empty."""
        if self.text and self.text.isprintable():
            return [self]
        rows = self.text.replace("\r", "\n").split("\n")
        return [self._replace(text=row) for row in rows if row]

    def readable(self) -> str:
        """Return the entry as a person reads it, the format of ``flux dmesg``."""
        return f"{self.timestamp} {self.name}.{SEVERITIES[self.severity]}[{self.rank}]: {self.text}"


def readable_text(data: bytes) -> str:
    """Return bytes that are to be logged as text: UTF-8 as it is, of other bytes the lower seven
    bits; NULs at the end are left out.
    """
    text = data.rstrip(b"\0").decode("utf-8", "surrogateescape")
    if not text.isprintable():
        text = "".join(chr(ord(c) - 0xDC80) if "\udc80" <= c <= "\udcff" else c for c in text)
    return text


def parse(line: str) -> Entry | None:
    """Return the entry of a line, None if it is not one."""
    head, sep, rest = line.partition(">1 ")
    fields = rest.split(" ", 6)
    if (
        not sep
        or not head.startswith("<")
        or not head[1:].isdecimal()
        or len(fields) < 7
        or not fields[1].isdecimal()
    ):
        return None
    timestamp, rank, name, pid, _, _, text = fields
    if len(head) > 4 or len(rank) > 10:
        return None
    return Entry(min(int(head[1:]) >> 3, 7), timestamp, int(rank), name, pid, text.rstrip("\n"))
