"""What attaching to a job shows and when it reads what: decisions only, no input or output
(flux-job(1) attach).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flux.job import io
from flux.job.follow import EXEC, MAIN, OUTPUT
from flux.job.lifecycle import exit_code, is_fatal
from flux.terminal_text import terminal_text
from fluxctl import job_text
from fluxctl.attach_tail import Tail
from fluxctl.attach_tasks import adjustment
from fluxctl.attach_words import ShellCopies, verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flux.job.event import EventLogEvent
    from fluxctl.attach_status import StatusLine

STDOUT, STDERR = 1, 2


@dataclass(slots=True)
class AttachOptions:
    """What to show: ``label`` puts the task rank before each line of output, ``show_events`` and
    ``show_exec`` show the events of the job and of its execution on stderr, ``read_only`` does not
    forward stdin. ``own`` is for a job that this command has submitted: it gets the command's
    input, and may have ended by now without reading it. ``debug`` stands in for a debugger: tasks
    that wait for one, stopped in exec, are continued once all have started. ``stdin_tasks`` is the
    idset of the tasks that get stdin. The attachment ends at the event ``wait_event`` if that comes
    before the job has finished. ``quiet`` leaves away what the job shell logs. Of the output that
    is there already only the last ``tail`` lines are shown, all of it with None.
    ``status_after`` seconds from now a line on stderr says what the job waits for, never with None.
    With ``name``, which is that of the job, exceptions and the end are told in the words of today's
    flux-core; with ``copies`` errors of the job shell are told twice, as 0.29 does.
    """

    label: bool = False
    show_events: bool = False
    show_exec: bool = False
    read_only: bool = False
    own: bool = False
    debug: bool = False
    stdin_tasks: str = "all"
    wait_event: str | None = None
    quiet: bool = False
    tail: int | None = None
    status_after: float | None = None
    name: str = ""
    copies: bool = False


@dataclass(slots=True)
class Leave:
    """End the attachment, for what was waited for has happened."""


@dataclass(slots=True)
class Print:
    """Write to a standard stream."""

    fd: int
    data: bytes


@dataclass(slots=True)
class WatchExec:
    """Watch the eventlog of the job's execution."""


@dataclass(slots=True)
class WatchOutput:
    """Watch the job's output."""


@dataclass(slots=True)
class CountOutput:
    """Look up the output that is there, and tell `AttachView.counted`."""


@dataclass(slots=True)
class ForwardStdin:
    """Send stdin to the leader shell's service."""

    service: str
    rank: int


@dataclass(slots=True)
class AttachPty:
    """Attach to the pseudo terminal of the job."""

    topic: str
    rank: int


@dataclass(slots=True)
class Continue:
    """Have the job's stopped tasks go on."""


@dataclass(slots=True)
class Refuse:
    """End the attachment with an error."""

    text: str


Action = (
    Print
    | WatchExec
    | WatchOutput
    | CountOutput
    | ForwardStdin
    | AttachPty
    | Continue
    | Leave
    | Refuse
)


class AttachView:
    """State of one attachment: events of the job's eventlogs in, actions out.

    The eventlogs come each at its own pace. Those events that are about the end are held back until
    the logs have ended that have what happened before, so that lines stand in the order of time.
    A job that has ended shows in the same order as one that was watched.

    ``attached`` is when it began, in seconds since the epoch. ``status`` is the line that is shown
    while the job waits, if one is.
    """

    def __init__(
        self, options: AttachOptions, attached: float = 0.0, status: StatusLine | None = None
    ) -> None:
        self._options = options
        self._attached = attached
        self._status_line = status
        self._tail: Tail | None = None
        self.counting = False
        self._input_lost = False
        self._finished = math.inf
        self._start: float | None = None
        self._exec_watched = False
        self._output_watched = False
        self._output_open = False
        self._exec_began = False
        self._started = False
        self._ran = False
        self._exec_over = False
        self._early: list[EventLogEvent] = []
        self._late: list[Action] = []
        self._late_exec: list[Action] = []
        self._failed = False
        self._captured = self._on_terminal = False
        self._held: list[EventLogEvent] | None = None
        self._copies = None if options.copies else ShellCopies()
        self._status: int | None = None
        self.service: str | None = None

    @property
    def exit_code(self) -> int:
        """Exit code for the command that attached."""
        return exit_code(self._status, self._failed)

    @property
    def began(self) -> bool:
        """Whether any event of the job has come."""
        return self._start is not None

    @property
    def verdict(self) -> str | None:
        """Sentence about a job that failed, None if there is nothing to say."""
        if self._status is None or self.exit_code == 0:
            return None
        return verdict(self._status, self.exit_code, todays=bool(self._options.name))

    def _line(self, text: str) -> Print:
        before = self._status_line.cleared() if self._status_line else b""
        line = terminal_text(text).encode("utf-8", "surrogateescape") + b"\n"
        return Print(STDERR, before + line)

    def tick(self, now: float) -> list[Action]:
        """Write the line that says what the job waits for, at the time ``now`` in seconds."""
        return self._status_shown(self._status_line.tick(now) if self._status_line else b"")

    @staticmethod
    def _status_shown(data: bytes) -> list[Action]:
        return [Print(STDERR, data)] if data else []

    def event(self, path: str, event: EventLogEvent) -> list[Action]:
        """Take an event of any of the job's eventlogs, by the names of `flux.job.follow`."""
        if path == MAIN:
            return self.job_event(event)
        return self.exec_event(event) if path == EXEC else self.output_event(event)

    def ended(self, path: str) -> list[Action]:
        """Take the end of any of the job's eventlogs."""
        if path == OUTPUT:
            self._output_open = False
            return self._release_late()
        return self.exec_ended() if path == EXEC else []

    def over(self) -> list[Action]:
        """Nothing more comes of any eventlog."""
        self._output_open, self._exec_over = self.counting, True
        return self._release_late()

    def job_event(self, event: EventLogEvent) -> list[Action]:
        """Take an event of the main eventlog."""
        actions: list[Action] = []
        if self._start is None:
            self._start = event.timestamp
        if event.name == "exception":
            actions.append(
                self._line(job_text.exception_line(event, self._start, self._options.name))
            )
            self._failed = self._failed or is_fatal(event.name, event.context)
        elif self._options.show_events:
            line = self._line(job_text.event_line("job", event, self._start))
            ends = event.name == "finish" or self._status is not None
            (self._late if ends and self._going_on else actions).append(line)
        self._ran = self._ran or event.name == "start"
        if event.name == "finish":
            self._status = int(event.context.get("status", 0))
            self._finished = event.timestamp
            actions += self._came_too_late()
            if self._options.debug and self.came_late:
                actions.append(Refuse("cannot debug job that has finished running"))
        elif event.name == self._options.wait_event and self._status is None:
            actions.append(Leave())
        if not self._exec_watched:
            self._exec_watched = True
            actions.append(WatchExec())
        actions += self._status_shown(self._status_line.event(event) if self._status_line else b"")
        if event.name in ("start", "finish", "clean"):
            actions += self._release_early()
        return actions

    @property
    def _going_on(self) -> bool:
        """Whether eventlogs of the execution have more to tell."""
        return self._output_open or (self._ran and not self._exec_over)

    def _release_late(self) -> list[Action]:
        if self._going_on:
            return []
        late, self._late_exec, self._late = self._late_exec + self._late, [], []
        copies = self._copies.release() if self._copies else []
        return [self._line(self._exec_log(event)) for event in copies] + late

    def _release_early(self) -> list[Action]:
        self._started = True
        early, self._early = self._early, []
        return [action for event in early for action in self._shown_exec_event(event)]

    def exec_event(self, event: EventLogEvent) -> list[Action]:
        """Take an event of the execution's eventlog; those that overtook the job's start wait
        for it.
        """
        if not self._started:
            self._early.append(event)
            return []
        return self._shown_exec_event(event)

    def _shown_exec_event(self, event: EventLogEvent) -> list[Action]:
        actions: list[Action] = []
        start = self._start or event.timestamp
        self._exec_began = True
        if event.name == "log":
            if not self._options.quiet and not (self._copies and self._copies.hold(event)):
                actions.append(self._line(self._exec_log(event)))
        elif self._options.show_exec:
            line = self._line(job_text.event_line("exec", event, start))
            ends = event.name in ("complete", "done")
            late = ends and (self._output_open or bool(self._late_exec))
            (self._late_exec if late else actions).append(line)
        if event.name == "shell.init":
            actions += self._shell_began(event.context)
        if event.name == "shell.start" and self._status is None:
            if not self._options.read_only:
                warning = adjustment(self._options.stdin_tasks, event.context)
                actions += [self._line(warning)] if warning else []
            if self._options.debug:
                actions.append(Continue())
        return actions

    def _exec_log(self, event: EventLogEvent) -> str:
        try:
            return job_text.exec_log_line(event, self._start or event.timestamp)
        except OSError as error:
            return job_text.malformed(error)

    def _shell_began(self, context: Mapping[str, object]) -> list[Action]:
        self.service, rank = str(context["service"]), int(str(context["leader-rank"]))
        self._captured = bool(context.get("capture"))
        alone = context.get("pty") and not self._captured
        if alone and self._options.read_only and self._status is None:
            # The terminal has what a running job says; one that has ended has its output.
            return [Refuse("Cannot connect to pty in readonly mode")]
        if context.get("pty") and not self._options.read_only:
            attach = AttachPty(f"{self.service}.{context['pty']}", rank)
            if self._captured:
                self._held = []
                return [attach, *self._watch_output()]
            self._output_watched = True  # later, if there is no terminal any more
            return [attach]
        actions = self._watch_output()
        if not self._options.read_only:
            actions.append(ForwardStdin(self.service, rank))
        return actions

    def terminal_attached(self) -> list[Action]:
        """The job's terminal is on this one: what it shows is not shown twice."""
        self._on_terminal = True
        return self._release_held()

    def terminal_absent(self) -> list[Action]:
        """There is no such terminal any more: what it has shown is the job's output."""
        if self._captured:
            return self._release_held()
        self._output_watched = False
        return self._watch_output()

    def _release_held(self) -> list[Action]:
        held, self._held = self._held or [], None
        return [action for event in held for action in self.output_event(event)]

    def _seen_on_terminal(self, event: EventLogEvent) -> bool:
        """Whether an event of the output is what the terminal has shown."""
        return self._on_terminal and event.name == "data" and event.context.get("rank") == "0"

    def input_refused(self, error: OSError) -> list[Action]:
        """Take the error of what was read from stdin and sent to the shell.

        Tasks need not read what they are given, so a job that ends meanwhile is no reason to
        complain; one that had ended before, or whose shell says no, is.
        """
        if error.strerror == io.STDIN_REFUSED:
            return [Refuse(io.STDIN_REFUSED)]
        self._input_lost = True
        return self._came_too_late()

    @property
    def came_late(self) -> bool:
        """Whether the job had ended before this attachment began."""
        return self._finished < self._attached

    def _came_too_late(self) -> list[Action]:
        return [Refuse(io.STDIN_REFUSED)] if self._input_lost and self.came_late else []

    def _watch_output(self) -> list[Action]:
        if self._output_watched:
            return []
        self._output_watched = self._output_open = True
        if self._options.tail is None:
            return [WatchOutput()]
        self.counting = True
        return [CountOutput()]

    def counted(self, there: Sequence[EventLogEvent]) -> list[Action]:
        """Take the output that is there, of which the last lines are to be shown."""
        self.counting = False
        self._tail = Tail(self._options.tail or 0, there)
        return [WatchOutput()]

    def exec_ended(self) -> list[Action]:
        """Take the end of the execution's eventlog: a shell that failed early may still have logged
        something.
        """
        self._exec_over = True
        actions = self._release_early()
        if self._exec_began:
            actions += self._watch_output()
        return actions + self._release_late()

    def output_event(self, event: EventLogEvent) -> list[Action]:
        """Take an event of the job's output."""
        if self._held is not None:
            self._held.append(event)
            return []
        if self._seen_on_terminal(event):
            return []
        if event.name == "data":
            return self._output(event)
        if event.name == "log" and not self._options.quiet:
            if self._copies:
                self._copies.logged(event)
            return [self._line(job_text.shell_log_line(event, self._start or event.timestamp))]
        if event.name == "redirect":
            return [self._line(job_text.redirect_line(event))]
        return []

    def _output(self, event: EventLogEvent) -> list[Action]:
        try:
            chunk = io.decode(event.context)
        except OSError as error:
            return [self._line(job_text.malformed(error))]
        if self._tail is not None:
            chunk = chunk._replace(data=self._tail.cut(chunk.data))
        data = io.shown(chunk, self._options.label)
        return [Print(STDERR if chunk.stream == "stderr" else STDOUT, data)] if data else []
