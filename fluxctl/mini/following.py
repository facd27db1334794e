"""Following the jobs of a bulk submission to their ends.

A few are watched, each by its eventlogs. Where there are many, one stream of the job manager's
journal tells of all of them, and only their output is watched, of those that have ended at once
when they have. The journal tells of other jobs, too, so it is not for a few; it is for the instance
owner only, and it ends with the job manager: then the jobs are watched, a bounded number at a time.
"""

from __future__ import annotations

import errno
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from flux.constants import FLUX_RPC_STREAMING
from fluxctl.mini.job_talk import SHOW_EVENTS, JobTalk, TalkOptions, TodaysTalk
from fluxctl.mini.tally import JobProgress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flux.core.handle import Flux
    from flux.job.event import EventLogEvent
    from flux.job.follow import Item
    from flux.job.follow_blocking import EventlogWatcher
    from flux.job.follow_journal import JournalFollower
    from flux.rpc import RPC
    from fluxctl.mini.console import Console
    from fluxctl.mini.submission import JobToSubmit, Settings
    from fluxctl.mini.tally import Tally

WATCH_WINDOW: Final = 1024
FEW: Final = 32
"""Jobs that are watched rather than followed by the journal."""
ENDS: Final = ("finish", "exception", "clean")
"""The events that tell how a job ended; the last of them is the end."""
TOLD: Final = ENDS[:2]
"""Those that people are told of."""


@dataclass(slots=True)
class _Followed:
    """A job that the journal tells of, and the watch of its output, if there is one."""

    job: JobToSubmit
    progress: JobProgress | None = None
    started: bool = False
    ended: bool = False
    watch: EventlogWatcher | None = None
    output_over: bool = False


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
        # Whoever watches output waits for all of it.
        awaited = None if settings.watch else settings.wait_event
        self._over = (ENDS[-1],) if awaited is None else (ENDS[-1], awaited)
        names = ("start", *ENDS) if counts_running or settings.watch else ENDS
        self._names = tuple(dict.fromkeys((*names, *self._over)))
        self._talk_options = TalkOptions(
            settings.verbose, settings.label, raw=settings.raw, label_job=settings.label_jobs
        )
        self._announced = 0
        self._journal: JournalFollower | None = None
        self._by_journal: dict[int, _Followed] = {}
        self._begun: list[int] = []
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
        if self._announced == FEW + 1:
            self._open_journal()
        return self._journal is not None

    def follow(self, jobid: int, job: JobToSubmit, *, announced: bool) -> None:
        """Follow a job that was submitted; ``announced`` is what `announce` returned."""
        early = self._journal.expect(jobid) if self._journal is not None and announced else None
        if early is None:
            self._unwatched.append((jobid, job, JobProgress()))
            self._watch_next()
            return
        self._by_journal[jobid] = _Followed(job)
        for event in early:
            self._happened(jobid, event)
        self._watch_begun()

    # By the journal

    def _open_journal(self) -> None:
        from flux.job.follow_journal import JOURNAL, JournalFollower, journal_request

        if self._settings.verbose >= SHOW_EVENTS:
            return
        self._journal = JournalFollower()
        payload = {"full": False, **journal_request(self._names)}
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
            self._watch_begun()
            stream.reset()

    def _watch_instead(self, followed: Iterable[int]) -> None:
        """The journal is not for us, or has ended: watch each job, from its first event on; output
        that is being watched is told once.
        """
        from flux.job import follow
        from flux.job.follow_blocking import EventlogWatcher

        self._journal = None
        for jobid in followed:
            known = self._by_journal[jobid]
            if known.progress is not None:
                self._tally.forget(known.progress)
            known.progress = JobProgress()
            if known.watch is not None:
                take = partial(self._event, jobid, known)
                EventlogWatcher(self._handle, jobid, follow.JobFollower({}), take).start()
            else:
                del self._by_journal[jobid]
                self._unwatched.append((jobid, known.job, known.progress))
        self._watch_next()

    def _event(self, jobid: int, known: _Followed, item: Item) -> None:
        from flux.job import follow

        match item:
            case follow.Entries(_, entries) if known.progress is not None:
                for event in entries:
                    self._tally.follow(known.progress, event)
            case follow.Failed(_, error):
                raise error
            case follow.Ended():
                known.ended = True
                self._end_if_over(jobid, known)

    def _happened(self, jobid: int, event: EventLogEvent) -> None:
        known = self._by_journal.get(jobid)
        if known is None:
            return  # it is over as far as anybody waits for it
        if known.progress is None:
            known.progress = JobProgress()
        self._tally.follow(known.progress, event)
        if event.name in TOLD:
            self._talk(jobid, known.job).job_event(event, known.progress)
        if event.name == "start":
            known.started = True
            self._begun.append(jobid)
        if event.name in self._over:
            known.ended = True
            if self._journal is not None:
                self._journal.end(jobid)
            if not known.started or not self._settings.watch:
                known.output_over = True
            self._end_if_over(jobid, known)
        self._on_progress(0)

    def _end_if_over(self, jobid: int, known: _Followed) -> None:
        if known.ended and known.output_over and known.progress is not None:
            del self._by_journal[jobid]
            self._tally.finish(known.progress)
            self._on_progress(1)

    def _watch_begun(self) -> None:
        """Watch the output of jobs that have begun. That of one which has ended by now is there as
        a whole; for the others, an event of the execution tells when it is.
        """
        from flux.job import follow
        from flux.job.follow_blocking import EventlogWatcher

        begun, self._begun = self._begun, []
        for jobid in begun if self._settings.watch else ():
            known = self._by_journal[jobid]
            take = partial(self._output, jobid, known, self._talk(jobid, known.job))
            follower = follow.JobFollower(brief=True)
            known.watch = EventlogWatcher(self._handle, jobid, follower, take)
            known.watch.open(follow.OUTPUT if known.ended else follow.EXEC)

    def _output(self, jobid: int, known: _Followed, talk: JobTalk, item: Item) -> None:
        from flux.job import follow

        match item:
            case follow.Entries(follow.OUTPUT, entries):
                for event in entries:
                    talk.output_event(event)
            case follow.Failed(_, error):
                if error.errno not in follow.NEVER_MADE:
                    raise error
            case follow.Ended():
                known.output_over = True
                self._end_if_over(jobid, known)

    # By a watch each

    def _watch_next(self) -> None:
        while self._unwatched and self._watched < WATCH_WINDOW:
            self._watched += 1
            self._watch(*self._unwatched.popleft())

    def _watch(self, jobid: int, job: JobToSubmit, progress: JobProgress) -> None:
        from flux.job import follow
        from flux.job.follow_blocking import EventlogWatcher

        talk = self._talk(jobid, job)
        watcher: EventlogWatcher

        def take(item: Item) -> None:
            if self._take(item, progress, talk):
                watcher.stop()

        # The execution's eventlog only tells that there is output: where nobody watches that, none
        # of them is read.
        announced = follow.ANNOUNCED if self._settings.watch else {}
        follower = follow.JobFollower(announced, brief=True)
        watcher = EventlogWatcher(self._handle, jobid, follower, take)
        watcher.start()

    def _take(self, item: Item, progress: JobProgress, talk: JobTalk) -> bool:
        """Take news of a watched job; returns whether nothing more of it is wanted."""
        from flux.job import follow

        if progress.complete:
            return False
        match item:
            case follow.Entries(follow.MAIN, entries):
                for event in entries:
                    self._tally.follow(progress, event)
                    talk.job_event(event, progress)
                    if event.name in self._over[1:]:
                        self._watch_over(progress)
                        return True
                self._on_progress(0)
            case follow.Entries(follow.EXEC, entries):
                for event in entries:
                    talk.exec_event(event)
            case follow.Entries(follow.OUTPUT, entries):
                for event in entries:
                    talk.output_event(event)
            case follow.Failed(_, error):
                if error.errno not in follow.NEVER_MADE:
                    raise error
            case follow.Ended():
                self._watch_over(progress)
        return False

    def _watch_over(self, progress: JobProgress) -> None:
        self._tally.finish(progress)
        self._watched -= 1
        self._watch_next()
        self._on_progress(1)

    def _talk(self, jobid: int, job: JobToSubmit) -> JobTalk:
        log_stderr = job.log_stderr or job.log
        if self._settings.todays:
            return TodaysTalk(jobid, self._console, job.log, log_stderr, self._talk_options)
        return JobTalk(jobid, self._console, job.log, log_stderr, self._talk_options)
