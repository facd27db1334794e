"""Submitting many jobs at once, and waiting for them.

Jobs are made as they are sent, a bounded number of submissions is under way, and a bounded number
of jobs is watched at a time: memory does not grow with the number of jobs, apart from the ids of
those that have not ended.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from flux.constants import FLUX_POLLIN
from flux.job.JobID import id_encode
from flux.job.submit import message_and_reason, message_of
from flux.security import sign
from flux.terminal_text import terminal_line
from fluxctl.mini.console import Console
from fluxctl.mini.following import Following
from fluxctl.mini.program import program
from fluxctl.mini.progress import show
from fluxctl.mini.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flux.core.handle import Flux
    from flux.core.watchers import FDWatcher
    from flux.future import Future
    from flux.progress import ProgressBar
    from flux.wire.json import JsonObject
    from fluxctl.mini.request import JobRequest
    from fluxctl.mini.submission import JobToSubmit, Settings

SUBMIT_WINDOW = 512


def payload(request: JobRequest) -> JsonObject:
    """Return the payload of ``job-ingest.submit``."""
    signed = sign(request.jobspec.encode()).decode("ascii")
    return {"J": signed, "urgency": request.urgency, "flags": request.flags}


def told(lines: Sequence[str], *, refused: bool = False) -> str:
    """Return what plugins tell the user about a job as stderr shows it."""
    kind = "ERROR: " if refused else ""
    return "".join(f"{program()}: {kind}{terminal_line(line)}\n" for line in lines)


class Submitter:
    """Submits jobs and follows them.

    The reactor of ``handle`` is run meanwhile. None among ``jobs`` means that the next is not known
    yet and stdin has to be waited for. ``settings`` say what is done with them, ``bar`` is a
    progress bar to keep up to date, ``total`` the number of jobs if it is known.
    """

    def __init__(
        self,
        handle: Flux,
        jobs: Iterator[JobToSubmit | None],
        settings: Settings,
        bar: ProgressBar | None = None,
        total: int | None = None,
    ) -> None:
        self.tally = Tally()
        self._handle = handle
        self._jobs = jobs
        self._settings = settings
        self._bar = bar
        self._total = total
        self._console = Console()
        self._in_flight = 0
        self._made = 0
        self._exhausted = False
        self._stdin_watcher: FDWatcher | None = None
        self._following = Following(
            handle,
            settings,
            self.tally,
            self._console,
            self._followed,
            counts_running=bar is not None,
        )

    def run(self) -> int:
        """Submit everything, wait if asked to, and return the exit code.

        Raises: KeyboardInterrupt: Ctrl+C; jobs that were submitted go on. CommandError, OSError: a
        job could not be made, a log file not be written, the connection was lost.
        """
        if self._bar is not None:
            self._bar.start()
            ticks = self._handle.timer_watcher_create(1.0, lambda *_: self._show(), repeat=1.0)
            ticks.start()
        try:
            self._refill()
            if not self._is_done():
                self._handle.reactor_run()
        except KeyboardInterrupt:
            self._console.err(self._interrupted(), None)
            raise
        finally:
            if self._bar is not None:
                self._show()
                self._bar.stop()
            self._console.close()
        return self.tally.exit_code

    def _interrupted(self) -> bytes:
        unfinished = (
            f", {self.tally.submitted - self.tally.finished} not complete" if self._waits else ""
        )
        submitted = f"{self.tally.submitted} jobs submitted{unfinished}"
        return f"\n{program()}: interrupted: {submitted}\n".encode()

    @property
    def _waits(self) -> bool:
        return self._settings.waits

    # Submitting

    def _refill(self) -> None:
        while (
            not self._exhausted and self._in_flight < SUBMIT_WINDOW and self._stdin_watcher is None
        ):
            try:
                job = next(self._jobs)
            except StopIteration:
                self._exhausted = True
                return
            if job is None:
                self._wait_for_stdin()
                return
            self._submit(job)

    def _wait_for_stdin(self) -> None:
        assert self._settings.stdin is not None
        self._stdin_watcher = self._handle.fd_watcher_create(
            self._settings.stdin, self._stdin_ready, FLUX_POLLIN
        )
        self._stdin_watcher.start()

    def _stdin_ready(self, *_args: object) -> None:
        if self._stdin_watcher is not None:
            self._stdin_watcher.stop()
            self._stdin_watcher = None
        self._refill()
        self._check()

    def _submit(self, job: JobToSubmit) -> None:
        if self._settings.verbose:
            self._announce(job)
        if self._settings.todays and job.log_stderr is not None:
            self._console.err(b"", job.log_stderr)  # a file that cannot be made is no surprise then
        self._in_flight += 1
        self._made += 1
        assert job.request is not None
        message = payload(job.request)
        job.request = None
        announced = self._waits and self._following.announce()
        self._handle.rpc("job-ingest.submit", message).then(
            lambda future: self._submitted(future, job, announced=announced)
        )

    def _announce(self, job: JobToSubmit) -> None:
        """Say what is submitted. Today's flux-core does so of many jobs only, on stdout."""
        name = program()
        if self._settings.todays:
            name = name.removeprefix("flux-")
            if name != "bulksubmit":
                return
        line = f"{name}: {job.description}\n".encode("utf-8", "surrogateescape")
        if self._settings.todays:
            self._console.out(line, None)
        else:
            self._console.err(line, job.log_stderr)

    def _submitted(self, future: Future, job: JobToSubmit, *, announced: bool) -> None:
        self._in_flight -= 1
        try:
            answer = future.get()
            jobid = int(answer["id"])
        except OSError as error:
            if error.errno == errno.ECONNRESET:
                raise
            self.tally.refuse()
            lines, reason = message_and_reason(error)
            which = f"cc={job.cc}: " if job.cc else ""
            text = f"{told(lines, refused=True)}{which}{reason}\n"
            self._console.err(text.encode("utf-8", "replace"), job.log_stderr or job.log)
        else:
            self.tally.accept()
            lines = message_of(answer).splitlines()
            if lines:
                self._console.err(told(lines).encode("utf-8", "replace"), job.log_stderr)
            if not self._settings.quiet:
                self._console.out(f"{id_encode(jobid)}\n".encode(), job.log)
            if self._waits:
                self._following.follow(jobid, job, announced=announced)
        self._refill()
        self._progress(0 if self._waits else 1)
        self._check()

    def _is_done(self) -> bool:
        return self._exhausted and not self._in_flight and self._following.is_idle

    def _followed(self, ended: int) -> None:
        self._progress(ended)
        if ended:
            self._check()

    def _check(self) -> None:
        if self._is_done():
            self._handle.reactor_stop()

    # Progress

    def _progress(self, advance: int) -> None:
        if self._bar is None:
            return
        tally = self.tally
        done = tally.finished if self._waits else tally.submitted
        total = self._total if self._total is not None else max(self._made, 1)
        show(self._bar, tally, advance, done, total)

    def _show(self) -> None:
        self._progress(0)
        if self._bar is not None:
            self._bar.redraw()
