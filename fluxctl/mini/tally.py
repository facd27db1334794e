"""Counting jobs of a bulk submission: how far each is, and the exit code of all. Decisions only, no
I/O.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flux.job.event import EventLogEvent


class JobProgress:
    """One job, followed by its events.

    It is ``complete`` once nothing more comes of it; ``exception`` has type and note of the first
    fatal exception, None without one.
    """

    __slots__ = ("_history", "complete", "exception")

    def __init__(self) -> None:
        from flux.job.lifecycle import JobHistory

        self._history = JobHistory()
        self.complete = False
        self.exception: tuple[str, str] | None = None

    @property
    def running(self) -> bool:
        """Whether tasks have started and not finished."""
        return self._history.running and not self.complete

    @property
    def exit_code(self) -> int:
        """The job's exit code so far."""
        return self._history.exit_code

    def take(self, event: EventLogEvent) -> None:
        """Take an event of the job's main eventlog."""
        history = self._history
        history.apply(event)
        if history.failed_fatally and self.exception is None:
            self.exception = (history.exception_type or "", history.exception_note or "")


class Tally:
    """All jobs of a bulk submission, in numbers: ``submitted``, ``running``, ``complete`` without
    failure, ``failed``, and ``refused`` submissions, which are none of the others.

    ``exit_code`` is the largest of all jobs, at least 1 if a submission was refused.
    """

    def __init__(self) -> None:
        self.submitted = 0
        self.running = 0
        self.complete = 0
        self.failed = 0
        self.refused = 0
        self.exit_code = 0

    @property
    def pending(self) -> int:
        """Jobs that were submitted and have not started."""
        return self.submitted - self.running - self.finished

    @property
    def finished(self) -> int:
        """Jobs that are over, failed or not."""
        return self.complete + self.failed

    def accept(self) -> None:
        """Count a submission."""
        self.submitted += 1

    def refuse(self) -> None:
        """Count a refused submission."""
        self.refused += 1
        self.exit_code = max(self.exit_code, 1)

    def follow(self, job: JobProgress, event: EventLogEvent) -> None:
        """Take an event of a job."""
        was_running = job.running
        job.take(event)
        self.running += job.running - was_running

    def forget(self, job: JobProgress) -> None:
        """Undo what was counted of a job that is followed anew."""
        self.running -= job.running

    def finish(self, job: JobProgress) -> None:
        """Count the end of a job."""
        self.running -= job.running
        job.complete = True
        if job.exit_code:
            self.failed += 1
        else:
            self.complete += 1
        self.exit_code = max(self.exit_code, job.exit_code)
