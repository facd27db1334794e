"""How far jobs are, and a bar that shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flux.constants import FLUX_JOB_STATE_RUNNING
from flux.job.info import JobInfo
from flux.job.JobID import JobID
from flux.job.lifecycle import JobHistory
from flux.progress import ProgressBar
from flux.waitstatus import shell_code

if TYPE_CHECKING:
    from flux.core.handle import Flux
    from flux.job.event import EventLogEvent

STATUSES = ("pending", "running", "complete", "failed")


class JobStatus:
    """How far a job is: its ``id``, its ``status``, which is pending, running, complete or failed,
    and its ``exitcode``, 0 until it has ended.
    """

    def __init__(self, job: JobInfo) -> None:
        self.id = JobID(job.id)
        self._history = JobHistory()
        self._counts: dict[str, int] = {}
        self._known = "pending"
        self._known_code = job.returncode
        if job.result_id != "":
            self._known = "complete" if job.result == "COMPLETED" else "failed"
        elif job.state_id & FLUX_JOB_STATE_RUNNING:
            self._known = "running"

    @property
    def status(self) -> str:
        """The status, of the events so far or else of what was known before."""
        if not self._counts:
            return self._known
        if self.has_event("finish") or self._history.failed_fatally:
            return "failed" if self.exitcode else "complete"
        return "running" if self.has_event("start") else "pending"

    @property
    def exitcode(self) -> int:
        """The exit code, as a shell has it."""
        if self._counts:
            return self._history.exit_code
        code = self._known_code if isinstance(self._known_code, int) else 0
        return shell_code(code)

    @property
    def active(self) -> bool:
        """Whether the job is pending or runs."""
        return self.status in STATUSES[:2]

    def add_event(self, name: str | EventLogEvent) -> None:
        """Take an event of the job's main eventlog, or its name."""
        word = name if isinstance(name, str) else name.name
        self._counts[word] = self._counts.get(word, 0) + 1
        if not isinstance(name, str):
            self._history.apply(name)

    def has_event(self, name: str) -> bool:
        """Whether an event of the name has come."""
        return name in self._counts

    def event_count(self, name: str) -> int:
        """Return how many events of the name have come."""
        return self._counts.get(name, 0)


class JobProgressBar(ProgressBar):
    """A bar for jobs: how many are pending, run, are complete and have failed, which of all are
    over, and the time, or with ``jps`` how many end in a second.

    Jobs are added with `add_jobs`, their events with `process_event`. Time counts from
    ``starttime``, seconds since the epoch, else from `start` on; numbers take ``counter_width``
    places. While the reactor of the handle runs the bar is drawn every ``update_interval`` seconds.
    """

    def __init__(
        self,
        flux_handle: Flux,
        starttime: float | None = None,
        jps: bool = False,
        counter_width: int = 3,
        update_interval: float = 0.25,
    ) -> None:
        self.jobs: dict[int, JobStatus] = {}
        self.starttime = starttime
        width = f"<{int(counter_width)}"
        before = " ".join(
            f"{mark}:{{{name}:{width}}}"
            for mark, name in zip(("PD", "R", "CD", "F"), STATUSES, strict=True)
        )
        after = "{percent:5.1f}% {elapsed.dt}"
        if jps:
            after = "{percent:5.1f}% {jps:4.1f} job/s"
        counts: dict[str, Any] = dict.fromkeys(STATUSES, 0)
        super().__init__(total=0, before=f"{before} ", after=after, jps=0.0, **counts)
        self._timer = flux_handle.timer_watcher_create(
            update_interval, lambda *_: self.redraw(), update_interval
        )

    def add_jobs(self, *jobs: JobInfo) -> None:
        """Count jobs, too."""
        for job in jobs:
            self.add_job(job)

    def add_job(self, job: JobInfo) -> None:
        """Count a job, too; raises ValueError for what is no `JobInfo`."""
        if not isinstance(job, JobInfo):
            raise ValueError("add_job takes an argument of type JobInfo")
        self.add_status(JobStatus(job))

    def add_status(self, status: JobStatus) -> None:
        """Count a job that is followed already."""
        self.jobs[int(status.id)] = status
        self.kwargs["total"] = len(self.jobs)
        self._count(status, 1)

    def _count(self, status: JobStatus, by: int) -> None:
        self.kwargs[status.status] += by
        self.kwargs["count"] += by * (not status.active)

    def process_event(self, jobid: JobID | int, event: EventLogEvent | None = None) -> None:
        """Take an event of a job; KeyError if it was not added."""
        status = self.jobs[int(jobid)]
        if event is None:
            return
        self._count(status, -1)
        status.add_event(event)
        self._count(status, 1)

    def jobs_per_sec(self) -> float:
        """Return how many jobs have ended in a second."""
        elapsed = self.running_time()
        return float(self.kwargs["count"]) / elapsed if elapsed > 0 else 0.0

    def running_time(self) -> float:
        """Return the seconds since the start."""
        import time

        return float(self.elapsed) if self.starttime is None else time.time() - self.starttime

    def advance(self, **kwargs: Any) -> None:
        """Draw the bar with other values."""
        self.update(0, **kwargs)

    def redraw(self) -> None:
        """Draw the bar, if it is shown."""
        self.kwargs["jps"] = self.jobs_per_sec()
        super().redraw()

    def start(self) -> JobProgressBar:
        """Show the bar, and return self."""
        super().start()
        self._timer.start()
        return self

    def stop(self) -> None:
        """Take the bar away."""
        self._timer.stop()
        super().stop()
