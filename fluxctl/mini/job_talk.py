"""What a followed job of a bulk submission says: output, exceptions, its events if asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flux.job import io
from flux.job.JobID import id_encode
from flux.job.lifecycle import is_fatal
from flux.waitstatus import exit_code_of
from fluxctl import job_text

if TYPE_CHECKING:
    from flux.job.event import EventLogEvent
    from fluxctl.mini.console import Console
    from fluxctl.mini.tally import JobProgress

SHOW_ENDS = 1
"""From which verbosity on today's flux-core says how each job ended."""
SHOW_EVENTS = 2
"""From which verbosity on every event is shown."""


@dataclass(slots=True)
class TalkOptions:
    """What is shown of jobs that are followed together.

    ``verbose`` of `SHOW_EVENTS` or more shows every event, ``label`` the task rank before each line
    of output, with ``label_job`` the job's id before that, ``raw`` nothing but output. ``began`` is
    when the first of the events came that are shown, in seconds since the epoch, 0 before it.
    """

    verbose: int = 0
    label: bool = False
    raw: bool = False
    label_job: bool = False
    began: float = 0.0

    def since(self, event: EventLogEvent) -> float:
        """Return the seconds from the first event to this one."""
        self.began = self.began or event.timestamp
        return event.timestamp - self.began


class JobTalk:
    """Writes what one job says.

    Its output goes to the file ``out``, all else to ``err``, or to the terminal where that is None;
    ``console`` writes to both.
    """

    def __init__(
        self,
        jobid: int,
        console: Console,
        out: str | None,
        err: str | None,
        options: TalkOptions,
    ) -> None:
        self._name = id_encode(jobid)
        self._console = console
        self._out = out
        self._err = err
        self._options = options
        labelled = options.label and options.label_job
        self._prefix = f"{self._name}: ".encode() if labelled else b""

    def job_event(self, event: EventLogEvent, progress: JobProgress) -> None:
        """Take an event of the job's main eventlog, which ``progress`` knows already."""
        if self._options.verbose >= SHOW_EVENTS:
            context = f" {event.context_string}" if event.context else ""
            self._say(f"{self._name}: {event.name}{context}")
        elif event.name == "exception" and progress.exception is not None:
            kind, note = progress.exception
            self._say(f"{self._name}: exception: type={kind} note={note}")

    def exec_event(self, event: EventLogEvent) -> None:
        """Take an event of the job's execution."""

    def output_event(self, event: EventLogEvent) -> None:
        """Take an event of the job's output."""
        if event.name == "log":
            self._say(job_text.shell_log(event))
        if event.name != "data":
            return
        try:
            chunk = io.decode(event.context)
        except OSError as error:
            self._say(f"{self._name}: {job_text.malformed(error)}")
            return
        data = io.shown(chunk, self._options.label)
        if not data:
            return
        if self._prefix:
            data = b"".join(self._prefix + line for line in data.splitlines(keepends=True))
        if chunk.stream == "stderr":
            self._console.err(data, self._err)
        else:
            self._console.out(data, self._out)

    def _say(self, text: str) -> None:
        if self._options.raw:
            return
        self._console.err(f"{text}\n".encode("utf-8", "surrogateescape"), self._err)


class TodaysTalk(JobTalk):
    """Writes it in the words of today's flux-core."""

    def job_event(self, event: EventLogEvent, progress: JobProgress) -> None:
        """Take an event of the job's main eventlog, see `JobTalk`."""
        passed = self._options.since(event)
        if self._options.verbose >= SHOW_EVENTS:
            self._event(event.name, event, passed)
        if is_fatal(event.name, event.context):
            kind, note = event.context.get("type"), event.context.get("note", "")
            self._say(f"job.exception: type={kind} severity=0 {note}".rstrip())
        if event.name == "finish" and self._options.verbose >= SHOW_ENDS:
            status = int(event.context.get("status", 0))
            ended = "failed" if exit_code_of(status) else "complete"
            self._say(f"{self._name}: {passed:.3f}s: {ended}: status={status}")

    def exec_event(self, event: EventLogEvent) -> None:
        """Take an event of the job's execution."""
        if self._options.verbose >= SHOW_EVENTS:
            self._event(f"exec.{event.name}", event, self._options.since(event))

    def output_event(self, event: EventLogEvent) -> None:
        """Take an event of the job's output."""
        label = self._prefix.decode()
        if event.name == "log":
            self._say(f"{label}{job_text.shell_log(event)}")
        elif event.name == "redirect":
            self._say(f"{label}{job_text.redirect_line(event)}")
        else:
            super().output_event(event)

    def _event(self, name: str, event: EventLogEvent, passed: float) -> None:
        context = event.context_string if event.context else ""
        self._say(f"{self._name}: {passed:.3f}s: {name} {context}".rstrip())
