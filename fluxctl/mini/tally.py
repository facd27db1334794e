"""Counting jobs of a bulk submission: how far each is, and the exit code of all. Decisions only, no I/O."""

from __future__ import annotations

from flux.job.event import EventLogEvent
from fluxctl.job_text import exit_code_of


class JobProgress:
    """One job, followed by its events.

    Attributes:
        running: the job has started and not finished.
        complete: the job is inactive.
        exit_code: its exit code so far.
        exception: type and note of a fatal exception.
    """

    __slots__ = ("complete", "exception", "exit_code", "running")

    def __init__(self) -> None:
        self.running = False
        self.complete = False
        self.exit_code = 0
        self.exception: tuple[str, str] | None = None

    def take(self, event: EventLogEvent) -> None:
        """Take an event of the job's main eventlog."""
        name = event.name
        if name == "start":
            self.running = True
        elif name == "finish":
            self.running = False
            self.exit_code = exit_code_of(int(event.context.get("status", 0)))
        elif name == "exception" and event.context.get("severity") == 0:
            self.exception = (str(event.context.get("type", "")), str(event.context.get("note", "")))
            self.exit_code = self.exit_code or 1


class Tally:
    """All jobs of a bulk submission.

    Attributes:
        submitted, running, complete, failed: numbers of jobs; complete ones did not fail.
        refused: submissions that the broker refused.
        exit_code: the largest of all jobs, at least 1 if a submission was refused.
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

    def finish(self, job: JobProgress) -> None:
        """Count the end of a job."""
        job.complete = True
        if job.running:
            job.running = False
            self.running -= 1
        if job.exit_code:
            self.failed += 1
        else:
            self.complete += 1
        self.exit_code = max(self.exit_code, job.exit_code)
