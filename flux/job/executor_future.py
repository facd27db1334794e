"""The future that stands for a job of a FluxExecutor (flux.job.executor in the manual)."""

from __future__ import annotations

import concurrent.futures
import contextlib
import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Self

from flux.job.event import EventLogEvent

if TYPE_CHECKING:
    from flux.job.JobID import JobID

EVENTS = frozenset(
    (
        "submit",
        "depend",
        "priority",
        "urgency",
        "alloc",
        "start",
        "finish",
        "release",
        "free",
        "clean",
        "exception",
        "debug",
        "flux-restart",
    )
)
_log = logging.getLogger("flux.job.executor")

EventCallback = Callable[["FluxExecutorFuture", EventLogEvent], object]
FutureCallback = Callable[["FluxExecutorFuture"], object]


class FluxExecutorFuture(concurrent.futures.Future[int]):
    """A future that stands for one job.

    The result is the largest exit status of the job's tasks, 128 and the number of a signal for a
    task that one ended, or minus the number of a signal that ended the job's shell; a fatal
    exception of the job is raised as `flux.job.JobException`.
    ``owning_thread_id`` is the executor's thread that completes the future: to wait for it in there
    would never end, and is refused.
    """

    EVENTS: ClassVar[frozenset[str]] = EVENTS

    def __init__(self, owning_thread_id: int) -> None:
        super().__init__()
        self._owning_thread_id = owning_thread_id
        self._jobid: JobID | None = None
        self._jobid_failed: BaseException | None = None
        self._jobid_ready = threading.Condition()
        self._jobid_callbacks: list[FutureCallback] = []
        self._events: dict[str, list[EventLogEvent]] = {}
        self._event_callbacks: dict[str, list[EventCallback]] = {}
        self._event_lock = threading.RLock()

    # The job id

    def _set_jobid(self, jobid: JobID | None, failure: BaseException | None = None) -> None:
        with self._jobid_ready:
            if self._jobid is not None or self._jobid_failed is not None:
                raise RuntimeError("the job id has been set already")
            self._jobid, self._jobid_failed = jobid, failure
            callbacks, self._jobid_callbacks = self._jobid_callbacks, []
            self._jobid_ready.notify_all()
        if failure is None:
            for callback in callbacks:
                self._call(callback, self)

    def jobid(self, timeout: float | None = None) -> JobID:
        """Wait for the id of the job, at most ``timeout`` seconds (None for no limit), and return
        it.

        Raises concurrent.futures.TimeoutError if the id is not known in time,
        concurrent.futures.CancelledError if the future was cancelled, and RuntimeError if the job
        could not be submitted or the caller is the thread that is to set the id.
        """
        if (
            threading.get_ident() == self._owning_thread_id
            and self._jobid is None
            and self._jobid_failed is None
        ):
            raise RuntimeError("Cannot wait for future from inside callback")
        with self._jobid_ready:
            ready = self._jobid_ready.wait_for(
                lambda: self._jobid is not None or self._jobid_failed is not None, timeout
            )
            if not ready:
                raise concurrent.futures.TimeoutError
            if self._jobid is not None:
                return self._jobid
        failure = self._jobid_failed
        if isinstance(failure, concurrent.futures.CancelledError):
            raise failure
        raise RuntimeError(f"job could not be submitted due to {failure}") from failure

    def add_jobid_callback(self, callback: FutureCallback) -> Self:
        """Have ``callback(self)`` called when the job id is there; at once if it is. It may be
        called in another thread. Returns the future itself.
        """
        with self._jobid_ready:
            if self._jobid is None:
                if self._jobid_failed is None:
                    self._jobid_callbacks.append(callback)
                return self
        self._call(callback, self)
        return self

    # Events

    def _set_event(self, event: EventLogEvent) -> None:
        name = event.name.partition(".")[0] if event.name.startswith("debug.") else event.name
        with self._event_lock:
            if name in self.EVENTS:
                self._events.setdefault(name, []).append(event)
            callbacks = tuple(self._event_callbacks.get(name, ()))
        for callback in callbacks:
            self._call(callback, self, event)

    def add_event_callback(self, event: str, callback: EventCallback) -> Self:
        """Have ``callback(self, entry)`` called for every event called ``event``, at once for those
        that came before, and return this future. Raises ValueError if no event is called that.
        """
        if event not in self.EVENTS:
            raise ValueError(f"{event} is not a valid event, must be one of {sorted(self.EVENTS)}")
        with self._event_lock:
            self._event_callbacks.setdefault(event, []).append(callback)
            past = tuple(self._events.get(event, ()))
        for entry in past:
            self._call(callback, self, entry)
        return self

    @staticmethod
    def _call(callback: Callable[..., object], *args: object) -> None:
        try:
            callback(*args)
        except Exception:
            _log.exception("exception calling callback %r", callback)

    # What concurrent.futures has, with checks

    def add_done_callback(self, *args: Any, **kwargs: Any) -> Self:  # type: ignore[override]
        """Have ``fn(self)`` called when the future is done; returns this future."""
        super().add_done_callback(*args, **kwargs)
        return self

    def cancel(self) -> bool:
        """Cancel the future unless its job has been submitted; returns whether it is cancelled."""
        if self.cancelled():
            return True
        cancelled = super().cancel()
        if cancelled:
            with contextlib.suppress(RuntimeError):
                self._set_jobid(None, concurrent.futures.CancelledError())
        return cancelled

    def _check_thread(self) -> None:
        if threading.get_ident() == self._owning_thread_id and not self.done():
            raise RuntimeError("Cannot wait for future from inside callback")

    def result(self, timeout: float | None = None) -> int:
        """Wait for the job and return its exit status; raises its exception, CancelledError or
        TimeoutError.
        """
        self._check_thread()
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait for the job and return its exception, None without one; raises CancelledError or
        TimeoutError.
        """
        self._check_thread()
        return super().exception(timeout)

    def set_exception(self, exception: BaseException | None) -> None:
        """Make the future fail, and the job id with it if that is not there."""
        with contextlib.suppress(RuntimeError):
            self._set_jobid(None, exception)
        super().set_exception(exception)
