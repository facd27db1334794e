"""Following the jobs of a bulk submission to their ends.

A few are watched, each by its eventlogs. Where there are many, and nobody wants more than how they
end, one stream of the job manager's journal tells of all of them. It tells of other jobs, too, so
it is not for a few; it is for the instance owner only, and it ends with the job manager: then the
jobs are watched, a bounded number at a time.
"""

from __future__ import annotations

import errno
from collections import deque
from typing import TYPE_CHECKING, Final

from flux.constants import FLUX_RPC_STREAMING
from fluxctl.mini.job_talk import SHOW_EVENTS, JobTalk
from fluxctl.mini.tally import JobProgress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flux.core.handle import Flux
    from flux.job.event import EventLogEvent
    from flux.job.follow import Item
    from flux.job.follow_journal import JournalFollower
    from flux.rpc import RPC
    from fluxctl.mini.console import Console
    from fluxctl.mini.submitter import JobToSubmit, Settings
    from fluxctl.mini.tally import Tally

WATCH_WINDOW: Final = 1024
FEW: Final = 32
"""Jobs that are watched rather than followed by the journal."""
ENDS: Final = ("finish", "exception", "clean")
"""The events that tell how a job ended; the last of them is the end."""


class Following:
    """The jobs that are being followed; `tally` counts their events, ``console`` shows what they
    say.

    ``on_progress`` is called after each change, with 1 for a job that has ended. ``counts_running``
    says whether it matters which jobs run.
    """

    def __init__(
        self,
        handle: Flux,
        settings: Settings,
        tally: Tally,
        console: Console,
        on_progress: Callable[[int], None],
        *,
        counts_running: bool,
    ) -> None:
        self._handle = handle
        self._settings = settings
        self._tally = tally
        self._console = console
        self._on_progress = on_progress
        self._names = ("start", *ENDS) if counts_running else ENDS
        self._announced = 0
        self._journal: JournalFollower | None = None
        self._by_journal: dict[int, tuple[JobToSubmit, JobProgress | None]] = {}
        self._unwatched: deque[tuple[int, JobToSubmit, JobProgress]] = deque()
        self._watched = 0

    @property
    def is_idle(self) -> bool:
        """Whether every job has been followed to its end."""
        return not self._watched and not self._unwatched and not self._by_journal

    def announce(self) -> bool:
        """Make ready for a job that is about to be submitted; returns whether the journal will tell
        of it.
        """
        self._announced += 1
        if self._announced == FEW + 1 and not self._settings.watch:
            self._open_journal()
        return self._journal is not None

    def follow(self, jobid: int, job: JobToSubmit, *, announced: bool) -> None:
        """Follow a job that was submitted; ``announced`` is what `announce` returned."""
        early = self._journal.expect(jobid) if self._journal is not None and announced else None
        if early is None:
            self._unwatched.append((jobid, job, JobProgress()))
            self._watch_next()
            return
        self._by_journal[jobid] = (job, None)
        for event in early:
            self._happened(jobid, event)

    # By the journal

    def _open_journal(self) -> None:
        from flux.job.follow_journal import JOURNAL, JournalFollower, journal_request

        if self._settings.verbose >= SHOW_EVENTS:
            return
        self._journal = JournalFollower()
        payload = journal_request(self._names)
        stream = self._handle.rpc(JOURNAL, payload, flags=FLUX_RPC_STREAMING)
        stream.then(lambda _: self._journal_says(stream))

    def _journal_says(self, stream: RPC) -> None:
        journal = self._journal
        assert journal is not None
        try:
            for jobid, event in journal.take(stream.get()):
                self._happened(jobid, event)
        except OSError as error:
            if error.errno == errno.ECONNRESET:
                raise
            self._watch_instead(journal.lose())
        else:
            stream.reset()

    def _watch_instead(self, followed: Iterable[int]) -> None:
        """The journal is not for us, or has ended: watch each job, from its first event on."""
        self._journal = None
        for jobid in followed:
            job, progress = self._by_journal.pop(jobid)
            if progress is not None:
                self._tally.forget(progress)
            self._unwatched.append((jobid, job, JobProgress()))
        self._watch_next()

    def _happened(self, jobid: int, event: EventLogEvent) -> None:
        job, known = self._by_journal[jobid]
        progress = known or JobProgress()
        if known is None:
            self._by_journal[jobid] = (job, progress)
        self._tally.follow(progress, event)
        if event.name == "exception":
            self._talk(jobid, job).job_event(event, progress)
        if event.name == ENDS[-1]:
            del self._by_journal[jobid]
            if self._journal is not None:
                self._journal.end(jobid)
            self._tally.finish(progress)
            self._on_progress(1)
        else:
            self._on_progress(0)

    # By a watch each

    def _watch_next(self) -> None:
        while self._unwatched and self._watched < WATCH_WINDOW:
            self._watched += 1
            self._watch(*self._unwatched.popleft())

    def _watch(self, jobid: int, job: JobToSubmit, progress: JobProgress) -> None:
        from flux.job import follow
        from flux.job.follow_blocking import JobWatcher

        talk = self._talk(jobid, job)
        # The execution's eventlog only tells that there is output: where nobody watches that, none
        # of them is read.
        announced = follow.ANNOUNCED if self._settings.watch else {}
        follower = follow.JobFollower(announced, brief=True)
        JobWatcher(
            self._handle, jobid, follower, lambda item: self._take(item, progress, talk)
        ).start()

    def _take(self, item: Item, progress: JobProgress, talk: JobTalk) -> None:
        from flux.job import follow

        match item:
            case follow.Entries(follow.MAIN, entries):
                for event in entries:
                    self._tally.follow(progress, event)
                    talk.job_event(event, progress)
                self._on_progress(0)
            case follow.Entries(follow.OUTPUT, entries):
                for event in entries:
                    talk.output_event(event)
            case follow.Failed(_, error):
                if error.errno not in follow.NEVER_MADE:
                    raise error
            case follow.Ended():
                self._tally.finish(progress)
                self._watched -= 1
                self._watch_next()
                self._on_progress(1)

    def _talk(self, jobid: int, job: JobToSubmit) -> JobTalk:
        return JobTalk(
            jobid,
            self._console,
            job.log,
            job.log_stderr or job.log,
            self._settings.verbose,
            self._settings.label,
        )
