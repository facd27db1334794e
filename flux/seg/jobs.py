"""What the events of Flux jobs are in the SEG protocol: decisions only, no I/O.

A job is PENDING when it is submitted, ACTIVE when it is given its resources (Flux's state RUN), and
at its ``clean`` event, when all that it had has been given back, DONE or FAILED. It is DONE if its
result is COMPLETED, which takes an exit code of 0, and FAILED in every other case: another exit
code, a signal, an exception, a cancellation, a time limit.

Whoever has lost the stream of events asks for the past again, so every event may come twice.
`JobEvents` remembers of each job how far it has been told, of those that ended for `RETELL_SECONDS`
beyond what is asked for again. The clock of the instance may thus be set back as far as that.
"""

from __future__ import annotations

from array import array
from itertools import takewhile
from typing import TYPE_CHECKING, Final, NamedTuple

from flux.constants import FLUX_JOB_RESULT_COMPLETED
from flux.job.lifecycle import exit_code, is_fatal, result_of
from flux.seg.protocol import CODE_MAX, GramState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flux.wire.json import JsonMapping

RETELL_SECONDS: Final = 600.0
"""How far before the last event the past is asked for again, in seconds."""

NAMES: Final = ("submit", "alloc", "exception", "finish", "clean")
"""The events that matter."""


class SegEvent(NamedTuple):
    """A change of a job's state; ``time`` in seconds since the epoch."""

    time: float
    jobid: int
    state: GramState
    code: int


class _SeenJob:
    """An active job: its last state that was told, and what decides the next ones."""

    __slots__ = ("fatal", "mine", "state", "status", "time")

    def __init__(self) -> None:
        self.state: GramState | None = None
        self.time = 0.0
        self.status: int | None = None
        self.fatal: str | None = None
        self.mine = True


class JobEvents:
    """Turns entries of eventlogs, in each job's order, into changes of state, each of them once.

    With ``userid`` only that user's jobs count. ``last`` is the time of the latest event; ``now``,
    which the caller keeps up to date, what a clock says that nobody sets: both are seconds since
    the epoch.
    """

    def __init__(self, userid: int | None = None) -> None:
        self._userid = userid
        self._active: dict[int, _SeenJob] = {}
        self._ended: dict[int, float] = {}
        self.last = 0.0
        self.now = float("inf")

    def __len__(self) -> int:
        return len(self._active) + len(self._ended)

    def known(self, jobid: int, state: GramState, time: float) -> None:
        """A change of state has been told before, by another process."""
        self.last = max(self.last, time)
        if state >= GramState.FAILED:
            self._active.pop(jobid, None)
            self._ended[jobid] = time
        elif jobid not in self._ended:
            job = self._active.setdefault(jobid, _SeenJob())
            job.state = max(job.state or state, state)

    def take(self, jobid: int, entry: JsonMapping) -> SegEvent | None:
        """Return what an eventlog entry changes, None if nothing new.

        Raises KeyError, TypeError or ValueError for an entry that is malformed.
        """
        name: str = entry["name"]
        if name not in NAMES or jobid in self._ended:
            return None
        time = float(entry["timestamp"])
        context = entry.get("context") or {}
        job = self._active.get(jobid)
        if job is None:
            job = self._active[jobid] = _SeenJob()
        if name == "submit":
            if self._userid is not None and context.get("userid") != self._userid:
                job.mine = False
            return self._told(job, jobid, time, GramState.PENDING)
        if name == "alloc":
            # Resources that come after a fatal exception go back at once: such a job never ran.
            if job.fatal is None:
                return self._told(job, jobid, time, GramState.ACTIVE)
        elif name == "finish":
            job.status = int(context["status"])
        elif name == "exception":
            if is_fatal(name, context) and job.fatal is None:
                job.fatal = str(context["type"])
        else:
            return self._end(job, jobid, time)
        return None

    def _told(self, job: _SeenJob, jobid: int, time: float, state: GramState) -> SegEvent | None:
        if job.state is not None and state <= job.state:
            return None
        job.state = state
        # The order of a job's events is that of its eventlog, whatever the clock did.
        job.time = max(job.time, time)
        self.last = max(self.last, time)
        return SegEvent(job.time, jobid, state, 0) if job.mine else None

    def _end(self, job: _SeenJob, jobid: int, time: float) -> SegEvent | None:
        completed = result_of(job.status, job.fatal) == FLUX_JOB_RESULT_COMPLETED
        state = GramState.DONE if completed else GramState.FAILED
        code = min(exit_code(job.status, job.fatal is not None), CODE_MAX)
        del self._active[jobid]
        self._ended[jobid] = time
        told = self._told(job, jobid, time, state)
        self._forget()
        return None if told is None else told._replace(code=code)

    def _forget(self) -> None:
        """Forget jobs whose end nobody will ask for again: the first ones, as they ended in
        order.
        """
        oldest = min(self.last, self.now) - 2 * RETELL_SECONDS
        for jobid in [*takewhile(lambda jobid: self._ended[jobid] < oldest, self._ended)]:
            del self._ended[jobid]


class Past:
    """Events gathered in any order, to be told in that of their times; 25 bytes each."""

    def __init__(self) -> None:
        self._times = array("d")
        self._ids = array("Q")
        self._states = array("b")
        self._codes = array("q")

    def __len__(self) -> int:
        return len(self._times)

    def add(self, event: SegEvent) -> None:
        """Keep an event."""
        self._times.append(event.time)
        self._ids.append(event.jobid)
        self._states.append(event.state)
        self._codes.append(event.code)

    def in_order(self) -> Iterator[SegEvent]:
        """Yield the events; of those at the same time the one that was added first."""
        for place in sorted(range(len(self)), key=self._times.__getitem__):
            state = GramState(self._states[place])
            yield SegEvent(self._times[place], self._ids[place], state, self._codes[place])
