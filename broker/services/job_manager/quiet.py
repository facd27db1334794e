"""Who waits for the queue to drain, or for running jobs to end (flux-queue(1))."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from flux.job.lifecycle import CLEANUP, RUN

if TYPE_CHECKING:
    from broker.service import Reply, Request
    from broker.services.job_manager.journal import Journal
    from broker.services.job_manager.machine import Machine


class QuietWaiters:
    """The requests that are answered when nothing is left, or nothing runs any more."""

    def __init__(self, machine: Machine, journal: Journal) -> None:
        self._machine = machine
        self._journal = journal
        self.drain: list[Request] = []
        self.idle: list[Request] = []

    def answer(self) -> None:
        """Answer those whose time has come, once what brought it about is stored."""
        machine = self._machine
        if self.drain and not machine.jobs and not machine.embryos:
            self._answer_all(self.drain, None)
            self.drain = []
        if self.idle and not self._is_busy():
            self._answer_all(self.idle, {"pending": machine.pending_jobs})
            self.idle = []

    def _is_busy(self) -> bool:
        return any(job.state in (RUN, CLEANUP) for job in self._machine.jobs.values())

    def _answer_all(self, waiters: list[Request], answer: Reply) -> None:
        for req in waiters:
            self._journal.after_commit(partial(req.respond, answer), req.fail)

    def all(self) -> list[Request]:
        """Return everybody who waits."""
        return [*self.drain, *self.idle]

    def drop_sender(self, sender: str) -> None:
        """Forget a client that went away."""
        self.drain = [req for req in self.drain if req.sender != sender]
        self.idle = [req for req in self.idle if req.sender != sender]
