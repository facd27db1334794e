"""What the tasks of jobs that share a shell leave behind: whose it is, and its end.

A process that outlived its task is a child of the shared shell, their subreaper: a *stray*. It
belongs to the job that FLUX_JOB_ID in its environment names. One whose environment does not say so
may be that of any job that ran when it was found: it ends with the last of them.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from broker.shell.remains import Remains
from broker.subprocess.descendants import below, child_ids, environment_of
from flux.job.JobID import f58_digits

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator

    from broker.shell.job_loop import JobLoop

PATIENCE = 5.0
"""Seconds that what was killed gets to disappear."""
PAUSE = 0.05
"""Seconds between two rounds of killing: what is killed may have forked meanwhile."""


class SharedRemains:
    """The children of a shared shell.

    ``tasks`` says which job each running task is of, by process id.
    """

    def __init__(self) -> None:
        self.tasks: dict[int, int] = {}
        self._names: dict[str, int] = {}
        self._owners: dict[int, frozenset[int]] = {}
        self._running: dict[int, JobRemains] = {}

    def begin(self, jobid: int, loop: JobLoop) -> JobRemains:
        """Return what stands for the strays of a job, which begins."""
        self._running[jobid] = remains = JobRemains(self, jobid, loop)
        self._names |= dict.fromkeys(_names(jobid), jobid)
        return remains

    def end(self, jobid: int) -> None:
        """The job has ended."""
        del self._running[jobid]
        for name in _names(jobid):
            del self._names[name]

    def stray_ended(self) -> None:
        """A child that is no task has ended: those who wait for that look again."""
        for remains in self._running.values():
            remains.look_again()

    def strays(self, jobid: int) -> list[int]:
        """Return the strays that belong to a job."""
        owners = {pid: self._owners_of(pid) for pid in child_ids() if pid not in self.tasks}
        self._owners = owners
        return [pid for pid, jobs in owners.items() if jobs == {jobid}]

    def _owners_of(self, pid: int) -> frozenset[int]:
        known = self._owners.get(pid)
        if known is not None:
            return known & self._running.keys()
        named = self._names.get(environment_of(pid).get("FLUX_JOB_ID", ""))
        return frozenset(self._running if named is None else (named,))


def _names(jobid: int) -> tuple[str, str]:
    """Return what FLUX_JOB_ID may be: which letter comes first is for the job's environment to
    say.
    """
    digits = f58_digits(jobid)
    return f"ƒ{digits}", f"f{digits}"


class JobRemains(Remains):
    """The strays of one job."""

    def __init__(self, shared: SharedRemains, jobid: int, loop: JobLoop) -> None:
        super().__init__(kept=False)
        self._shared = shared
        self._jobid = jobid
        self._loop = loop
        self._waits = False

    def adopt(self) -> None:
        """The shared shell is the subreaper of all."""

    def look_again(self) -> None:
        """Something may have changed for a job that waits for the end of its strays."""
        if self._waits:
            self._loop.guard(lambda: None)

    def _left(self) -> list[int]:
        return self._shared.strays(self._jobid)

    def signal(self, number: int, tasks: Collection[int] = ()) -> None:
        for pid in self._left():
            if pid not in self._told:
                self._told.add(pid)
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, number)
                    os.kill(pid, signal.SIGCONT)

    def finish(self, ended_by: Callable[[], int]) -> Generator[Callable[[], bool], None, bool]:
        if not self._left():
            return True
        self._waits = True
        number = ended_by()
        if number and number != signal.SIGKILL:
            self.signal(number)
            yield lambda: ended_by() == signal.SIGKILL or not self._left()
        deadline = time.monotonic() + PATIENCE
        while self._left():
            if time.monotonic() > deadline:
                return False
            self.kill()
            paused: list[bool] = []
            self._loop.call_later(PAUSE, partial(paused.append, True))
            yield partial(self._is_over, paused)
        return True

    def _is_over(self, paused: list[bool]) -> bool:
        return bool(paused) or not self._left()

    def kill(self, *, anyway: bool = False) -> None:
        for pid in below(self._left()):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
