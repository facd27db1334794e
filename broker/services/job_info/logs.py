"""Eventlogs of jobs, those that are of interest, in memory, fed by the job manager's journal.

Entries are kept as lines of the eventlog: the job manager's own, which it shares with services of
its broker, so that a job that waits is there once.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from flux.job.updates import UPDATE_EVENTS
from flux.wire import json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from flux.wire.json import JsonMapping

RECENT_LIMIT = 1024
WAITING_LIMIT = 2048
_UPDATES: Final = tuple(name.encode() for name in UPDATE_EVENTS)
NOBODY = -1
"""The owner of a job whose submit event is not known: nobody's, so that only the instance owner may
see it.
"""


class Listener(Protocol):
    """What wants to hear of a job."""

    def on_entry(self, payload: bytes) -> None:
        """The eventlog grew by an entry, encoded as a watcher's response."""

    def on_start(self) -> None:
        """The job's shells run, so its guest namespace exists."""

    def on_end(self) -> None:
        """The eventlog ended."""


def encode(line: str) -> bytes:
    """Return the response payload for one line of an eventlog, newline included."""
    return b'{"event":' + json.dumps(line) + b"}\0"


def response_of(line: bytes) -> bytes:
    """Return the response payload for one line of an eventlog, without its newline."""
    return encode(line.decode("utf-8", "surrogateescape") + "\n")


def update_in(line: bytes) -> JsonMapping | None:
    """Return the entry of an eventlog's line that changes the jobspec or R, None for another
    line.
    """
    if not any(name in line for name in _UPDATES):
        return None
    entry: JsonMapping = json.loads(line)
    return entry if entry.get("name") in UPDATE_EVENTS else None


class JobLog:
    """One job's eventlog and who listens to it; ``resources`` is an R that the job had once, which
    its `updates` bring up to date.
    """

    __slots__ = ("ended", "id", "lines", "listeners", "resources", "started", "userid")

    def __init__(self, id: int) -> None:
        self.id = id
        self.userid = NOBODY
        self.lines: list[bytes] = []
        self.started = False
        self.ended = False
        self.resources: object = None
        self.listeners: tuple[Listener, ...] = ()

    def listen(self, listener: Listener) -> None:
        """Tell ``listener`` of what comes."""
        self.listeners = (*self.listeners, listener)

    def ignore(self, listener: Listener) -> None:
        """Undo `listen`; it does no harm if there was none."""
        self.listeners = tuple(other for other in self.listeners if other is not listener)

    def payloads(self) -> list[bytes]:
        """Return the entries as they are sent to watchers."""
        return [response_of(line) for line in self.lines]

    def append(self, entry: JsonMapping, line: bytes | None = None) -> None:
        """Add an entry and tell the listeners; ``line`` is its text, if at hand."""
        line = json.dumps(entry) if line is None else line
        self.lines.append(line)
        if self.listeners:
            payload = response_of(line)
            for listener in self.listeners:
                listener.on_entry(payload)
        name = entry["name"]
        if name == "submit":
            self.userid = int((entry.get("context") or {}).get("userid", NOBODY))
        elif name == "start":
            self.started = True
            for listener in self.listeners:
                listener.on_start()
        elif name == "clean":
            self.ended = True
            listeners, self.listeners = self.listeners, ()
            for listener in listeners:
                listener.on_end()

    def extend(self, text: str) -> None:
        """Add what an eventlog's text holds beyond what is known."""
        for line in text.encode("utf-8", "surrogateescape").splitlines()[len(self.lines) :]:
            self.append(json.loads(line), line)

    def updates(self) -> list[JsonMapping]:
        """Return the entries that change the jobspec or R."""
        return [entry for line in self.lines if (entry := update_in(line)) is not None]

    def text(self) -> str:
        """Return the eventlog as it is in the KVS."""
        return b"".join(b"%b\n" % line for line in self.lines).decode("utf-8", "surrogateescape")


class JobLogs:
    """The eventlogs at hand: those that somebody listens to, of the others the jobs that something
    happened to last, ``waiting`` that are active and ``recent`` that have ended.

    Whoever wants to know of another job reads its eventlog from the KVS, `expecting` it meanwhile.
    """

    def __init__(self, recent: int = RECENT_LIMIT, waiting: int = WAITING_LIMIT) -> None:
        self._logs: dict[int, JobLog] = {}
        self._active: dict[int, None] = {}
        self._ended: dict[int, None] = {}
        self._expected: Counter[int] = Counter()
        self._recent = recent
        self._waiting = waiting

    def __len__(self) -> int:
        return len(self._logs)

    def get(self, id: int) -> JobLog | None:
        """Return a job's eventlog, None if it is not at hand."""
        return self._logs.get(id)

    def active(self) -> list[JobLog]:
        """Return the eventlogs that have not ended."""
        return [self._logs[id] for id in self._active]

    @contextmanager
    def expecting(self, id: int) -> Iterator[None]:
        """Inside the block, what happens to a job counts although its eventlog is not at hand
        yet.
        """
        self._expected[id] += 1
        try:
            yield
        finally:
            self._expected[id] -= 1
            if not self._expected[id]:
                del self._expected[id]

    def feed(self, events: Iterable[JsonMapping]) -> list[int]:
        """Take a batch of journal events; returns the jobs of which entries are missing."""
        gaps = []
        for event in events:
            seq, id = event["eventlog_seq"], event["id"]
            if seq < 0:
                continue
            log = self._logs.get(id)
            if log is None:
                if seq and id not in self._expected:
                    continue
                log = self._logs[id] = JobLog(id)
            if "R" in event:
                log.resources = event["R"]
            if seq == len(log.lines):
                log.append(event["entry"], event.get("line"))
            elif seq > len(log.lines):
                gaps.append(id)
            self._touch(log)
        return gaps

    def _touch(self, log: JobLog) -> None:
        """Something happened to a job: forget others if there are too many."""
        id = log.id
        known = self._active.pop(id, 0) is None
        if log.ended:
            if known or id not in self._ended:
                self._retire(id)
            return
        self._active[id] = None
        looks = 2  # more go than come, and those that are listened to are passed over
        while looks and len(self._active) > self._waiting:
            looks -= 1
            oldest = next(iter(self._active))
            del self._active[oldest]
            if self._logs[oldest].listeners:
                self._active[oldest] = None
            else:
                del self._logs[oldest]

    def load(self, id: int, text: str) -> JobLog:
        """Add what the KVS holds of a job's eventlog; raises ValueError or KeyError if it is
        malformed.
        """
        log = self._logs.get(id) or JobLog(id)
        log.extend(text)
        self._logs[id] = log
        self._touch(log)
        return log

    def forget(self, ids: Iterable[int]) -> None:
        """Drop the eventlogs of purged jobs."""
        for id in ids:
            log = self._logs.get(id)
            if log is not None and log.ended:
                del self._logs[id]
                self._ended.pop(id, None)

    def _retire(self, id: int) -> None:
        self._ended[id] = None
        if len(self._ended) > self._recent:
            oldest = next(iter(self._ended))
            del self._ended[oldest]
            del self._logs[oldest]

    def listener_count(self) -> int:
        """Return how many listen."""
        return sum(len(log.listeners) for log in self._logs.values())
