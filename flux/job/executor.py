"""Jobs as futures: submit jobspecs to an executor, wait for them with `concurrent.futures`
(flux.job.executor in the manual).
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import threading
import weakref
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

from flux.constants import FLUX_POLLIN
from flux.job.event import JobEventWatchFuture, JobException, event_watch_async
from flux.job.executor_future import EVENTS, FluxExecutorFuture
from flux.job.JobID import JobID
from flux.job.submit import SubmitFuture, submit_async
from flux.waitstatus import return_code_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from flux.core.handle import Flux


class _Task:
    """A future and what is to be done for it: submit a job with these arguments, or attach to
    one.
    """

    def __init__(
        self,
        future: FluxExecutorFuture,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
        jobid: int | None = None,
    ) -> None:
        self.future = future
        self.args = args
        self.kwargs = dict(kwargs or {})
        self.jobid = jobid


@dataclass
class _Gate:
    """Whether an executor takes more jobs: its own and its threads' knowledge, so that these need
    no reference to it, which would keep it for ever.
    """

    lock: threading.Lock = field(default_factory=threading.Lock)
    shut: bool = False
    failure: BaseException | None = None

    def check(self) -> None:
        """Raise RuntimeError if no more jobs are taken."""
        if self.failure is not None:
            raise RuntimeError("Executor is broken, new jobs cannot be submitted") from self.failure
        if self.shut:
            raise RuntimeError("cannot schedule new futures after shutdown")


class _Worker(threading.Thread):
    """A thread with a handle of its own that submits and watches jobs."""

    def __init__(
        self,
        gate: _Gate,
        name: str,
        make_handle: Callable[[], Flux],
        poll_interval: float,
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._gate = gate
        self._make_handle = make_handle
        self._poll_interval = poll_interval
        self._tasks: deque[_Task] = deque()
        self._active: set[FluxExecutorFuture] = set()
        self._closing = threading.Event()
        self._pipe_lock = threading.Lock()
        self._pipe_open = True
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)

    def put(self, task: _Task) -> None:
        """Give the thread something to do."""
        self._tasks.append(task)
        self.wake()

    def wake(self) -> None:
        """Have the thread look at what it was given."""
        with self._pipe_lock:
            if self._pipe_open:
                with contextlib.suppress(BlockingIOError):
                    os.write(self._writer, b"x")

    def shut(self, cancel: bool) -> None:
        """Let the thread end when its jobs have; ``cancel`` drops those not submitted."""
        if cancel:
            for task in tuple(self._tasks):
                task.future.cancel()
        self._closing.set()
        self.wake()

    def run(self) -> None:
        """Serve until told to end."""
        try:
            handle = self._make_handle()
            self._serve(handle)
            handle.close()
        except BaseException as exc:
            # Whatever ends the thread, nobody may wait for it for ever.
            self._fail(exc)
        finally:
            with self._pipe_lock:
                self._pipe_open = False
                os.close(self._reader)
                os.close(self._writer)

    def _serve(self, handle: Flux) -> None:
        watcher = handle.fd_watcher_create(self._reader, lambda *_: self._take(handle), FLUX_POLLIN)
        timer = handle.timer_watcher_create(
            self._poll_interval, lambda *_: self._take(handle), self._poll_interval
        )
        watcher.start()
        timer.start()
        self._take(handle)
        while not self._done():
            if handle.reactor_run() < 0:
                raise OSError(errno.ECONNRESET, "connection to the Flux instance was lost")
        watcher.stop()
        timer.stop()

    def _done(self) -> bool:
        return self._closing.is_set() and not self._tasks and not self._active

    def _take(self, handle: Flux) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._reader, 4096)
        while self._tasks:
            task = self._tasks.popleft()
            if task.future.set_running_or_notify_cancel():
                self._begin(handle, task)
        self._check(handle)

    def _check(self, handle: Flux) -> None:
        if self._done():
            handle.reactor_stop()

    def _begin(self, handle: Flux, task: _Task) -> None:
        future = task.future
        self._active.add(future)
        try:
            if task.jobid is not None:
                self._watch(handle, future, JobID(task.jobid))
            else:
                submit_async(handle, *task.args, **task.kwargs).then(
                    self._submitted, handle, future
                )
        except Exception as exc:
            self._end(handle, future, exc)

    def _submitted(
        self, submission: SubmitFuture, handle: Flux, future: FluxExecutorFuture
    ) -> None:
        try:
            jobid = JobID(submission.get_id())
        except Exception as exc:
            self._end(handle, future, exc)
        else:
            self._watch(handle, future, jobid)

    def _watch(self, handle: Flux, future: FluxExecutorFuture, jobid: JobID) -> None:
        future._set_jobid(jobid)
        event_watch_async(handle, jobid).then(self._event, handle, future)

    def _event(self, watch: JobEventWatchFuture, handle: Flux, future: FluxExecutorFuture) -> None:
        try:
            event = watch.get_event()
        except FileNotFoundError:
            self._end(handle, future, ValueError("job ID does not match any job"))
            return
        except Exception as exc:
            self._end(handle, future, exc)
            return
        if event is None:
            self._end(handle, future, RuntimeError("the job ended without a status"))
            return
        if not future.done():
            if event.name == "finish":
                # What a shell adds to the number of a signal (137) stays an exit status.
                future.set_result(return_code_of(event.context["status"]))
            elif event.name == "exception" and event.context["severity"] == 0:
                future.set_exception(JobException(event))
        future._set_event(event)

    def _end(self, handle: Flux, future: FluxExecutorFuture, exc: BaseException) -> None:
        self._active.discard(future)
        if not future.done():
            future.set_exception(exc)
        self._check(handle)

    def _fail(self, exc: BaseException) -> None:
        """The instance is gone, or the thread ends: so do all futures."""
        with self._gate.lock:
            self._gate.failure = exc
        futures = [*self._active, *(task.future for task in self._tasks)]
        self._active.clear()
        self._tasks.clear()
        for future in futures:
            if not future.done():
                future.set_exception(exc)


def _shut(gate: _Gate, workers: Sequence[_Worker], wait: bool, cancel: bool) -> None:
    """Take no more jobs, and wait for those that there are if ``wait``."""
    with gate.lock:
        gate.shut = True
        for worker in workers:
            worker.shut(cancel)
    if wait:
        for worker in workers:
            worker.join()


def _abandoned(process: int, gate: _Gate, workers: Sequence[_Worker]) -> None:
    """What becomes of an executor that nobody shut down, once it is dropped or Python ends: its
    jobs are submitted and waited for, as `concurrent.futures` does. Children of a fork have none
    of its threads, and a thread cannot wait for itself: there nothing is to be done.
    """
    if os.getpid() == process:
        me = threading.current_thread()
        _shut(gate, workers, wait=me not in workers, cancel=False)


class FluxExecutor:
    """Submits jobs and follows them in threads of its own, in the manner of
    `concurrent.futures.Executor`.

    There are ``threads`` of them, their names begin with ``thread_name_prefix``, and each opens a
    handle with ``handle_args`` and ``handle_kwargs``. A new job is noticed after ``poll_interval``
    seconds at the latest, usually at once. Raises ValueError for less than one thread.

    One that is dropped without `shutdown` waits for its jobs, as does the end of the program.
    """

    EVENTS: ClassVar[frozenset[str]] = EVENTS
    _counter = itertools.count()

    def __init__(
        self,
        threads: int = 1,
        thread_name_prefix: str = "",
        poll_interval: float = 0.1,
        handle_args: Sequence[Any] = (),
        handle_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        if threads < 1:
            raise ValueError("threads must be at least 1")
        prefix = thread_name_prefix or f"{type(self).__name__}-{next(self._counter)}"
        options = dict(handle_kwargs or {})

        def make_handle() -> Flux:
            from flux.core.handle import Flux

            return Flux(*handle_args, **options)

        self._gate = _Gate()
        self._workers = [
            _Worker(self._gate, f"{prefix}-{n}", make_handle, poll_interval) for n in range(threads)
        ]
        self._next_worker = itertools.cycle(self._workers)
        for worker in self._workers:
            worker.start()
        weakref.finalize(self, _abandoned, os.getpid(), self._gate, self._workers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.shutdown(wait=True)

    def _give(self, make: Callable[[FluxExecutorFuture], _Task]) -> FluxExecutorFuture:
        with self._gate.lock:
            self._gate.check()
            worker = next(self._next_worker)
            future = FluxExecutorFuture(worker.ident or -1)
            worker.put(make(future))
        return future

    def submit(self, *args: Any, **kwargs: Any) -> FluxExecutorFuture:
        """Submit a jobspec and return its future; the arguments are those of `flux.job.submit`
        without the handle. Raises RuntimeError after `shutdown`, and once the instance cannot be
        reached any more.
        """
        return self._give(lambda future: _Task(future, args, kwargs))

    def attach(self, jobid: int) -> FluxExecutorFuture:
        """Return a future for a job that exists already; an unknown id makes the future fail with
        ValueError.
        Raises RuntimeError as `submit` does.
        """
        return self._give(lambda future: _Task(future, jobid=int(JobID(jobid))))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Accept no more jobs; may be called more than once.

        It returns when all jobs have ended, unless ``wait`` is false. With ``cancel_futures`` the
        futures whose jobs have not been submitted are cancelled.
        """
        _shut(self._gate, self._workers, wait, cancel_futures)


__all__ = ["FluxExecutor", "FluxExecutorFuture"]
