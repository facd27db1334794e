"""``flux jobs --watch``: the list, and then every change of it as the journal tells of it, or, to
those who may not read that, the list once a second.
"""

from __future__ import annotations

import contextlib
import errno
import sys
import time
from typing import TYPE_CHECKING

from fluxctl.errors import CommandError
from fluxctl.watched_jobs import WatchedJobs, is_wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flux.core.handle import Flux
    from flux.job.info import JobInfo, JobInfoFormat
    from flux.job.journal import JournalConsumer, JournalEntry
    from flux.job.list import JobList
    from fluxctl.job_query import JobQuery
    from fluxctl.job_rows import Table

    Reasons = Callable[[Flux, list[JobInfo]], None]
    """Adds to jobs why they wait."""

NEEDED = ("userid", "state", "result", "queue", "name", "t_run", "t_cleanup", "t_inactive")
"""What has to be known of a job beside what is shown of it."""

_PAUSE = 0.1
"""Seconds for which changes are gathered before they are asked about and drawn."""
_CLOCK = 1.0
"""Seconds after which run times on a terminal are drawn anew."""
_SHARE = 0.05
"""How much of the time the instance may be busy with lists."""
_PATIENCE = 10.0
"""Seconds that job-list gets for an answer about one job."""


class JobsWatch:
    """Shows jobs and their changes until it is interrupted, or until all of those that were named
    have ended.

    ``query`` says which jobs are meant, and ``sought`` which of these; ``reasons`` is None unless
    it is shown why jobs wait.
    """

    def __init__(
        self, flux: Flux, query: JobList, sought: JobQuery | None, reasons: Reasons | None
    ) -> None:
        self._flux = flux
        self._query = query
        self._reasons = reasons
        self._held: JournalEntry | None = None
        self._jobs = WatchedJobs(
            lambda job, seen: (
                is_wanted(job, query, seen=seen) and (sought is None or sought.finds(job))
            )
        )

    def run(self, view: JobsView) -> list[str]:
        """Watch, and return what went wrong with single ids.

        Raises OSError: ECONNRESET when the broker goes away.
        """
        try:
            self._by_journal(view)
        except OSError as exc:
            if exc.errno != errno.EPERM:
                raise
            self._by_list(view)
        return self._query.errors

    def _by_journal(self, view: JobsView) -> None:
        from flux.job.journal import JournalConsumer

        # The journal first: what happens while the list is read comes after it.
        with JournalConsumer(self._flux, full=False) as journal:
            listed = self._listed()
            self._refusals(journal)
            view.begin(self._jobs, self._jobs.begin(listed))
            self._gather(journal, view, 0.5, past=True)
            while not (self._query.ids and self._jobs.over):
                self._gather(journal, view, _CLOCK, past=False)

    def _by_list(self, view: JobsView) -> None:
        """Ask for the list whenever the counts of jobs have changed: the journal is the owner's."""
        listed = self._listed()
        view.begin(self._jobs, self._jobs.begin(listed))
        before: object = None
        pause = _CLOCK
        while not (self._query.ids and self._jobs.over):
            time.sleep(pause)
            began = time.monotonic()
            counts = self._flux.rpc("job-list.job-stats").get()
            changed = []
            if counts != before:
                before = counts
                if self._query.ids:
                    self._query.fetch_jobs()  # once more
                found = self._listed()
                there = {int(job.id) for job in found}
                gone = {int(job.id): 0 for job in self._jobs.active() if int(job.id) not in there}
                told = list(self._ask(gone))
                self._jobs.drop(gone.keys() - {int(job.id) for job in told})
                found += told
                changed = [job for job in found if self._jobs.take(job)]
            view.show(self._jobs, changed)
            pause = max(_CLOCK, (time.monotonic() - began) / _SHARE)

    def _listed(self) -> list[JobInfo]:
        listed = []
        for page in self._query.pages():
            self._explain(page)
            listed += page
        return listed

    def _refusals(self, journal: JournalConsumer) -> None:
        """Have a journal that is refused told before anything is shown: who may not read it has
        its answer before that to whatever is asked of the job manager after it.
        """
        with contextlib.suppress(OSError):  # that there is an answer matters, not what it says
            self._flux.rpc("job-manager.ping", {"seq": 1}).wait_for(_PATIENCE).get()
        self._held = _next(journal, 0.0)

    def _next(self, journal: JournalConsumer, patience: float) -> JournalEntry | None:
        held, self._held = self._held, None
        return held or _next(journal, patience)

    def _gather(
        self, journal: JournalConsumer, view: JobsView, patience: float, *, past: bool
    ) -> None:
        """Wait for events, at most ``patience`` seconds, and show what those of a moment change."""
        asked: dict[int, int] = {}
        event = self._next(journal, patience)
        end = time.monotonic() + _PAUSE
        while event is not None:
            state = self._jobs.event(int(event.jobid), event.name, event.context, past=past)
            if state is not None:
                asked[int(event.jobid)] = state
            left = end - time.monotonic()
            event = self._next(journal, max(left, 0.0)) if past or left > 0 else None
        changed = [job for job in self._ask(asked) if self._jobs.take(job)]
        if changed:
            self._explain(changed)
        view.show(self._jobs, changed)

    def _ask(self, states: dict[int, int]) -> Iterable[JobInfo]:
        """Ask job-list for jobs, each as it is once it has reached a state."""
        from flux.job.info import JobInfo

        futures = [
            self._flux.rpc(
                "job-list.list-id", {"id": jobid, "attrs": self._query.attrs, "state": state}
            )
            for jobid, state in states.items()
        ]
        for future in futures:
            try:
                future.wait_for(_PATIENCE)
                yield JobInfo(future.get()["job"])
            except OSError as exc:
                # It was purged meanwhile, or job-list is behind: the next event asks again.
                if exc.errno not in (errno.ENOENT, errno.ETIMEDOUT):
                    raise

    def _explain(self, jobs: list[JobInfo]) -> None:
        if self._reasons is not None:
            self._reasons(self._flux, jobs)


def _next(journal: JournalConsumer, patience: float) -> JournalEntry | None:
    """Return the next event, None if none comes within ``patience`` seconds.

    Raises OSError if the journal ends.
    """
    try:
        event = journal.poll(patience)
    except TimeoutError:
        return None
    if event is None:
        raise OSError(errno.ECONNRESET, "the journal of jobs has ended")
    return event


class JobsView:
    """Where a watch shows jobs: here, a line for each change."""

    def __init__(self, table: Table, layout: JobInfoFormat) -> None:
        self._table = table
        self._layout = layout
        self._lines: dict[int, str] = {}

    def begin(self, jobs: WatchedJobs, listed: list[JobInfo]) -> None:
        """Show the jobs that there are."""
        self._table.show(listed)
        for job in listed:
            self._lines[int(job.id)] = self._line(job)
        sys.stdout.flush()

    def show(self, jobs: WatchedJobs, changed: list[JobInfo]) -> None:
        """Show the jobs that have changed, those that look different than before."""
        new = []
        for job in changed:
            line = self._line(job)
            if self._lines.get(int(job.id)) != line:
                self._lines[int(job.id)] = line
                new.append(job)
        if new:
            self._table.show(new)
            sys.stdout.flush()

    def _line(self, job: JobInfo) -> str:
        if self._table.as_json:
            return repr(job)
        try:
            return self._layout.format(job)
        except ValueError as exc:
            raise CommandError(f"ERROR: {exc}") from None


class TerminalView(JobsView):
    """Where a watch shows jobs: a table that is drawn in place."""

    def __init__(self, table: Table, layout: JobInfoFormat) -> None:
        from fluxctl.repainting import Repainter

        super().__init__(table, layout)
        self._paint = Repainter(table.color)
        self._headed = table.header is not None
        self._drawn = 0.0

    def begin(self, jobs: WatchedJobs, listed: list[JobInfo]) -> None:
        self._draw(jobs)

    def show(self, jobs: WatchedJobs, changed: list[JobInfo]) -> None:
        if changed or time.monotonic() - self._drawn >= _CLOCK:
            self._draw(jobs)

    def _draw(self, jobs: WatchedJobs) -> None:
        from flux.job.info import JobInfo
        from fluxctl.job_rows import role_of

        room = self._paint.height - 1 - self._headed
        # Made anew: how long a job has run is computed once for each object.
        shown = [JobInfo(job.raw()) for job in jobs.rows(room)]
        lines = [(self._line(job), role_of(job)) for job in shown]
        if self._headed:
            lines.insert(0, (self._layout.header(), "heading"))
        running, pending, ended = jobs.counts()
        total = running + pending + ended
        part = f"{len(shown)} of {total} shown: " if len(shown) < total else ""
        summary = f"{part}{running} running, {pending} pending, {ended} ended; Ctrl+C ends"
        self._paint.draw([*lines, (summary, "faint")])
        self._drawn = time.monotonic()
