"""FluxExecutor over a scripted instance."""

from __future__ import annotations

import concurrent.futures
import errno
import threading
from typing import TYPE_CHECKING, Any

import pytest

from flux.job.event import EventLogEvent, JobException
from flux.job.executor import FluxExecutor, FluxExecutorFuture
from tests.unit.flux.job.streaming import StreamingFlux, event, life

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT = 10.0
FAILED = [
    *life()[:4],
    event("exception", 14.0, type="exec", severity=0, note="oops"),
    event("clean", 15.0),
]
LOGS: dict[int | tuple[int, str], list[Any]] = {
    1: life(),
    2: life(256),
    3: life(137 << 8),
    4: FAILED,
    5: life()[:2],
    6: life(9),
    7: life(200 << 8),
}


def ingest(payload: dict[str, Any]) -> dict[str, Any]:
    if payload["urgency"] == 0:
        raise OSError(errno.EPERM, "no")
    return {"id": payload["urgency"]}


@pytest.fixture
def executor(monkeypatch: pytest.MonkeyPatch) -> Iterator[FluxExecutor]:
    monkeypatch.setattr(
        "flux.core.handle.Flux", lambda *a, **k: StreamingFlux(LOGS, {"job-ingest.submit": ingest})
    )
    with FluxExecutor(threads=2, thread_name_prefix="test-executor") as executor:
        yield executor
    assert not [
        thread for thread in threading.enumerate() if thread.name.startswith("test-executor")
    ]


@pytest.mark.parametrize(("jobid", "status"), [(1, 0), (2, 1), (3, 137), (6, -9), (7, 200)])
def test_results(executor: FluxExecutor, jobid: int, status: int) -> None:
    future = executor.submit("{}", urgency=jobid)
    assert future.jobid(TIMEOUT) == jobid
    assert future.result(TIMEOUT) == status


def test_job_with_an_exception(executor: FluxExecutor) -> None:
    future = executor.submit("{}", urgency=4)
    assert isinstance(future.exception(TIMEOUT), JobException)
    with pytest.raises(JobException, match="oops"):
        future.result(TIMEOUT)


def test_eventlog_without_an_end(executor: FluxExecutor) -> None:
    assert isinstance(executor.attach(5).exception(TIMEOUT), RuntimeError)


def test_refused_submission(executor: FluxExecutor) -> None:
    future = executor.submit("{}", urgency=0)
    assert isinstance(future.exception(TIMEOUT), OSError)
    with pytest.raises(RuntimeError, match="could not be submitted"):
        future.jobid(TIMEOUT)


def test_attach(executor: FluxExecutor) -> None:
    assert executor.attach(2).result(TIMEOUT) == 1
    assert isinstance(executor.attach(99).exception(TIMEOUT), ValueError)


def test_callbacks(executor: FluxExecutor) -> None:
    ids: list[int] = []
    seen: list[str] = []
    over = threading.Event()

    def broken(_: FluxExecutorFuture) -> None:
        raise ValueError("logged, not raised")

    def clean(_: FluxExecutorFuture, entry: EventLogEvent) -> None:
        assert entry.name == "clean"
        mine = FluxExecutorFuture(threading.get_ident())
        with pytest.raises(RuntimeError, match="inside callback"):
            mine.result()
        over.set()

    future = executor.submit("{}", urgency=1)
    future.add_jobid_callback(broken)
    assert future.add_jobid_callback(lambda f: ids.append(f.jobid())) is future
    for name in ("submit", "start"):
        future.add_event_callback(name, lambda f, entry: seen.append(entry.name))
    assert future.add_event_callback("clean", clean) is future
    assert future.add_done_callback(lambda f: None) is future
    assert over.wait(TIMEOUT)
    assert ids == [1]
    assert sorted(seen) == ["start", "submit"]
    late: list[int] = []
    assert future.add_jobid_callback(lambda f: late.append(f.jobid())) is future
    assert late == [1]
    with pytest.raises(ValueError, match="not a valid event"):
        future.add_event_callback("nosuch", clean)


def test_cancelled_before_it_is_submitted() -> None:
    future = FluxExecutorFuture(0)
    assert future.cancel()
    assert future.cancel()
    with pytest.raises(concurrent.futures.CancelledError):
        future.jobid(0)


def test_job_id_that_does_not_come() -> None:
    with pytest.raises(concurrent.futures.TimeoutError):
        FluxExecutorFuture(0).jobid(0.01)


def test_after_shutdown(executor: FluxExecutor) -> None:
    executor.shutdown(cancel_futures=True)
    executor.shutdown(wait=False)
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit("{}")


def threads_of(prefix: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith(prefix)]


def test_dropped_without_shutdown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "flux.core.handle.Flux", lambda *a, **k: StreamingFlux(LOGS, {"job-ingest.submit": ingest})
    )
    dropped = FluxExecutor(threads=2, thread_name_prefix="dropped")
    futures = [dropped.submit("{}", urgency=jobid) for jobid in (1, 2)]
    assert threads_of("dropped")
    del dropped
    assert not threads_of("dropped")
    assert [future.result(0) for future in futures] == [0, 1]


def test_dropped_by_its_own_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "flux.core.handle.Flux", lambda *a, **k: StreamingFlux(LOGS, {"job-ingest.submit": ingest})
    )
    held = [FluxExecutor(thread_name_prefix="dropped")]
    future = held[0].submit("{}", urgency=1)
    future.add_done_callback(lambda _: held.clear())
    assert future.result(TIMEOUT) == 0
    for thread in threads_of("dropped"):
        thread.join(TIMEOUT)
    assert not threads_of("dropped")


def test_instance_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOENT, "no instance")

    monkeypatch.setattr("flux.core.handle.Flux", refuse)
    executor = FluxExecutor()
    for worker in executor._workers:  # noqa: SLF001 - no future of theirs tells that they ended
        worker.join(TIMEOUT)
    with pytest.raises(RuntimeError, match="broken"):
        executor.submit("{}")
    executor.shutdown()
    with pytest.raises(ValueError, match="threads"):
        FluxExecutor(threads=0)


class Unforeseen(Exception):
    """Of no kind that anybody expects."""


@pytest.mark.parametrize("failure", [TypeError("no bytes"), Unforeseen("?"), SystemExit(3)])
def test_whatever_keeps_a_thread_from_a_handle_fails_its_futures(
    monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    began = threading.Event()

    def make(*_args: object) -> StreamingFlux:
        began.wait(TIMEOUT)
        raise failure

    monkeypatch.setattr("flux.core.handle.Flux", make)
    with FluxExecutor() as executor:
        futures = [executor.submit("{}") for _ in range(3)]
        began.set()
        assert [one.exception(TIMEOUT) for one in futures] == [failure] * 3


def test_whatever_ends_a_thread_fails_its_futures(monkeypatch: pytest.MonkeyPatch) -> None:
    failure = Unforeseen("in a callback")

    class Failing(StreamingFlux):
        def reactor_run(self, *_args: object) -> int:
            raise failure

    monkeypatch.setattr(
        "flux.core.handle.Flux", lambda *_args: Failing(LOGS, {"job-ingest.submit": ingest})
    )
    with FluxExecutor() as executor:
        # Before or after it is known that the thread has ended.
        try:
            found = executor.submit("{}", urgency=1).exception(TIMEOUT)
        except RuntimeError as refused:
            found = refused.__cause__
        assert found is failure
