"""What a followed job of a bulk submission says: output, exceptions, its events if asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flux.job import io
from flux.job.JobID import id_encode
from fluxctl import job_text

if TYPE_CHECKING:
    from flux.job.event import EventLogEvent
    from fluxctl.mini.console import Console
    from fluxctl.mini.tally import JobProgress

SHOW_EVENTS = 2
"""From which verbosity on every event is shown."""


class JobTalk:
    """Writes what one job says.

    Its output goes to the file ``out``, all else to ``err``, or to the terminal where that is None;
    ``console`` writes to both. ``verbose`` of `SHOW_EVENTS` or more shows every event, ``label``
    the task rank before each line of output, with ``label_job`` the job's id before that, ``raw``
    nothing but output.
    """

    def __init__(
        self,
        jobid: int,
        console: Console,
        out: str | None,
        err: str | None,
        verbose: int,
        label: bool,
        *,
        raw: bool = False,
        label_job: bool = False,
    ) -> None:
        self._name = id_encode(jobid)
        self._console = console
        self._out = out
        self._err = err
        self._verbose = verbose
        self._label = label
        self._raw = raw
        self._prefix = f"{self._name}: ".encode() if label and label_job else b""

    def job_event(self, event: EventLogEvent, progress: JobProgress) -> None:
        """Take an event of the job's main eventlog, which ``progress`` knows already."""
        if self._verbose >= SHOW_EVENTS:
            context = f" {event.context_string}" if event.context else ""
            self._say(f"{self._name}: {event.name}{context}")
        elif event.name == "exception" and progress.exception is not None:
            kind, note = progress.exception
            self._say(f"{self._name}: exception: type={kind} note={note}")

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
        data = io.shown(chunk, self._label)
        if not data:
            return
        if self._prefix:
            data = b"".join(self._prefix + line for line in data.splitlines(keepends=True))
        if chunk.stream == "stderr":
            self._console.err(data, self._err)
        else:
            self._console.out(data, self._out)

    def _say(self, text: str) -> None:
        if self._raw:
            return
        self._console.err(f"{text}\n".encode("utf-8", "surrogateescape"), self._err)
