"""Who waits for a queue to drain, or for running jobs to end (flux-queue(1))."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from flux.job.lifecycle import CLEANUP, RUN

if TYPE_CHECKING:
    from broker.service import Reply, Request
    from broker.services.job_manager.journal import Journal
    from broker.services.job_manager.machine import Machine


class QuietWaiters:
    """The requests that are answered when nothing is left, or nothing runs any more, each with the
    name of the queue it is about, None for all of them.
    """

    def __init__(self, machine: Machine, journal: Journal) -> None:
        self._machine = machine
        self._journal = journal
        self.drain: list[tuple[Request, str | None]] = []
        self.idle: list[tuple[Request, str | None]] = []

    def answer(self) -> None:
        """Answer those whose time has come, once what brought it about is stored."""
        if self.drain:
            busy = {name for name in _names(self.drain) if self._has_jobs(name)}
            for req, name in self.drain:
                if name not in busy:
                    self._answer(req, None)
            self.drain = [item for item in self.drain if item[1] in busy]
        if self.idle:
            busy = {name for name in _names(self.idle) if self._is_busy(name)}
            pending = {name: self._machine.pending_jobs(name) for name in _names(self.idle) - busy}
            for req, name in self.idle:
                if name not in busy:
                    self._answer(req, {"pending": pending[name]})
            self.idle = [item for item in self.idle if item[1] in busy]

    def _has_jobs(self, name: str | None) -> bool:
        return self._machine.census.count(None, name) > 0

    def _is_busy(self, name: str | None) -> bool:
        return self._machine.census.count((RUN, CLEANUP), name) > 0

    def _answer(self, req: Request, answer: Reply) -> None:
        self._journal.after_commit(partial(req.respond, answer), req.fail)

    def all(self) -> list[Request]:
        """Return everybody who waits."""
        return [req for req, _ in (*self.drain, *self.idle)]

    def drop_sender(self, sender: str) -> None:
        """Forget a client that went away."""
        self.drain = [item for item in self.drain if item[0].sender != sender]
        self.idle = [item for item in self.idle if item[0].sender != sender]


def _names(waiters: list[tuple[Request, str | None]]) -> set[str | None]:
    return {name for _, name in waiters}
