"""One job being run, and what the job manager is told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, TypedDict

from broker.services.job_exec.guest import GuestLog
from flux.eventlog import encode, entry

if TYPE_CHECKING:
    from asyncio import TimerHandle
    from collections.abc import Callable, Mapping

    from broker.context import Context
    from broker.service import Request
    from broker.services.job_exec.simulated import Simulation
    from broker.services.job_exec.state import Shells


class StartData(TypedDict):
    """When a job began to run, in seconds since the epoch."""

    timestamp: float


class ExceptionData(TypedDict):
    """An exception to raise on the job (RFC 21)."""

    type: str
    severity: int
    note: str


class FinishData(TypedDict):
    """The wait status of a job."""

    status: int


class ReleaseData(TypedDict):
    """The ranks whose resources are free again."""

    ranks: str
    final: bool


class Guest(TypedDict, total=False):
    """What goes with the first that is told of a job which ended at once: the texts of its guest
    event logs, by key below ``guest``.
    """

    guest: dict[str, str]


Kind: TypeAlias = Literal["start", "exception", "finish", "release"]
Data: TypeAlias = StartData | ExceptionData | FinishData | ReleaseData


class RunningJob:
    """A job being run: its shells, its event logs, its timers."""

    def __init__(
        self,
        req: Request,
        shells: Shells,
        ctx: Context,
        delay: float,
        simulation: Simulation | None = None,
    ) -> None:
        self.id = req.get("id", int)
        self.shells = shells
        self.simulation = simulation
        self.guest = GuestLog(
            ctx, self.id, req.get("userid", int), delay, self._visible, self._take_texts
        )
        self._texts: Guest = {}
        self.timers: list[TimerHandle] = []
        self.limit: TimerHandle | None = None
        self._request = req
        self._begun_at: float | None = None
        self._next: list[Callable[[], object]] = []
        self.has_started = False
        self._is_visible = False
        self._is_finished = False

    def started(self, now: float) -> None:
        """Tell the job manager that the job runs, as soon as its event logs can be watched."""
        self._begun_at = now
        self.has_started = True
        self._announce()

    def failed(self, kind: str, note: str) -> None:
        """Tell the job manager of a fatal exception, after the start that there was."""
        exception: ExceptionData = {"type": kind, "severity": 0, "note": note}
        self.after_start(lambda: self._respond("exception", exception))

    def after_start(self, tell: Callable[[], object]) -> None:
        """Have something told once the job manager has been told of a start that there was: what
        ends a job comes after its beginning.
        """
        if self._begun_at is None:
            tell()
        else:
            self._next.append(tell)

    def finished(
        self, sent: Callable[[], None], done: Callable[[], None], *, lazy: bool = False
    ) -> None:
        """Tell the job manager of the end, once the start has been told; ``sent`` and ``done`` are
        called when the last of the event logs is on its way to the store, and when it is there.
        """
        self._on_sent = sent
        self.guest.close(self._last_sent, done, lazy=lazy)
        self._announce()

    def _last_sent(self) -> None:
        self._announce()
        self._on_sent()

    def released(self) -> None:
        """Tell the job manager that the job's resources are free, the last it hears."""
        self._respond("release", {"ranks": "all", "final": True})

    def event(
        self, name: str, context: Mapping[str, object] | None = None, now: float | None = None
    ) -> None:
        """Append to the exec event log."""
        self.guest.append("exec", encode(entry(name, context, now)))

    def cancel_timers(self) -> None:
        """Forget what was to be done later."""
        if self.limit is not None:
            self.limit.cancel()
            self.limit = None
        for timer in self.timers:
            timer.cancel()
        self.timers.clear()

    def _take_texts(self, texts: dict[str, str]) -> None:
        self._texts = {"guest": texts}

    def _visible(self) -> None:
        self._is_visible = True
        self._announce()

    def _announce(self) -> None:
        """Tell what can be told: nobody hears of a job before its event logs can be watched."""
        if not self._is_visible:
            return
        if self._begun_at is not None:
            self._respond("start", {"timestamp": self._begun_at})
            self._begun_at = None
            waiting, self._next = self._next, []
            for tell in waiting:
                tell()
        if self.shells.finished and not self._is_finished:
            self._is_finished = True
            self._respond("finish", {"status": self.shells.status})

    def _respond(self, kind: Kind, data: Data) -> None:
        texts, self._texts = self._texts, {}
        self._request.respond({"id": self.id, "type": kind, "data": {**data, **texts}})
