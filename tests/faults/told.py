"""Who is told how a job ended: the journal, watchers of eventlogs, and waiters, each on a thread.

The note is taken when the message arrives, so that whatever happens to the instance afterwards,
it is known what a client had been told.
"""

from __future__ import annotations

import json
import queue
import threading
from dataclasses import dataclass

from flux.wire.message import STREAMING, Message
from tests.faults.line import Line


@dataclass(frozen=True)
class Told:
    """A result that somebody was told: of which job, by whom, in which boot of the instance."""

    jobid: int
    how: str
    boot: int


class Listener(threading.Thread):
    """Follows jobs on a connection of its own until that breaks."""

    how = ""

    def __init__(self, uri: str, boot: int) -> None:
        super().__init__(name=self.how)
        self.line = Line(uri)
        self.boot = boot
        self.told: list[Told] = []
        self.jobs: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._asked: dict[int, int] = {}

    def run(self) -> None:
        try:
            self.begin()
            while not self.line.closed:
                self._ask_new()
                for msg in self.line.receive(0.02):
                    self.take(msg)
        except OSError:
            return
        finally:
            self.line.close()

    def _ask_new(self) -> None:
        while not self.jobs.empty():
            jobid = self.jobs.get()
            tag = self.ask(jobid)
            if tag:
                self._asked[tag] = jobid

    def begin(self) -> None:
        """Ask for what concerns all jobs."""

    def ask(self, jobid: int) -> int:
        """Ask about one job; returns the match tag, 0 for none."""
        return 0

    def take(self, msg: Message) -> None:
        """Take one response."""
        raise NotImplementedError

    def note(self, jobid: int) -> None:
        """Note that the end of a job was told."""
        self.told.append(Told(jobid, self.how, self.boot))


class JournalReader(Listener):
    """Reads the job manager's journal."""

    how = "journal"

    def begin(self) -> None:
        self.line.ask("job-manager.events-journal", {}, flags=STREAMING)

    def take(self, msg: Message) -> None:
        if msg.errnum == 0:
            for item in msg.json().get("events", []):
                if item["entry"]["name"] in ("finish", "clean"):
                    self.note(item["id"])


class EventlogWatcher(Listener):
    """Watches the eventlog of each job."""

    how = "eventlog"

    def ask(self, jobid: int) -> int:
        body = {"id": jobid, "path": "eventlog", "flags": 0}
        return self.line.ask("job-info.eventlog-watch", body, flags=STREAMING)

    def take(self, msg: Message) -> None:
        if msg.errnum == 0 and json.loads(msg.json()["event"])["name"] in ("finish", "clean"):
            self.note(self._asked[msg.matchtag])


class Waiter(Listener):
    """Waits for each job, as ``flux job wait`` does."""

    how = "wait"

    def ask(self, jobid: int) -> int:
        return self.line.ask("job-manager.wait", {"id": jobid})

    def take(self, msg: Message) -> None:
        if msg.errnum == 0:
            self.note(msg.json()["id"])


class Lister(Listener):
    """Asks for the state of each job when it is inactive, as ``flux jobs`` shows it."""

    how = "list"

    def ask(self, jobid: int) -> int:
        return self.line.ask("job-list.list-id", {"id": jobid, "attrs": ["state", "result"]})

    def take(self, msg: Message) -> None:
        jobid = self._asked.pop(msg.matchtag, 0)
        if msg.errnum == 0 and msg.json()["job"].get("state") == 64:
            self.note(jobid)
        elif msg.errnum == 0:
            self.jobs.put(jobid)


LISTENERS: tuple[type[Listener], ...] = (JournalReader, EventlogWatcher, Waiter, Lister)
