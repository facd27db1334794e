"""``flux.job`` answers programs as flux-core 0.88's bindings do. What is expected here was seen
there, with the same calls.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

import flux
from flux import job
from flux.job.list import JobList
from flux.job.output import JobExceptionEvent, LogEvent, RedirectEvent
from flux.testing.instance import running_instance

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

    from flux.core.handle import Flux
    from flux.job.JobID import JobID

START_FAILED = "start failed: /nonexistent/x: No such file or directory"


@pytest.fixture(scope="module")
def handle() -> Iterator[Flux]:
    with running_instance(1) as instance, flux.Flux(instance.uri) as opened:
        yield opened


def submit(handle: Flux, *command: str, stdout: str | None = None, cores: int = 1) -> JobID:
    spec = job.JobspecV1.from_command(list(command), cores_per_task=cores)
    spec.environment = {"PATH": "/usr/bin:/bin"}
    if stdout is not None:
        spec.stdout = stdout
    return job.submit(handle, spec)


def over(handle: Flux, jobid: JobID) -> JobID:
    job.event_wait(handle, jobid, "clean", raiseJobException=False)
    return jobid


@pytest.fixture(scope="module")
def never_started(handle: Flux) -> JobID:
    return over(handle, submit(handle, "true", cores=9999))


@pytest.fixture(scope="module")
def canceled(handle: Flux) -> JobID:
    jobid = submit(handle, "sh", "-c", "echo hi; sleep 100")
    watch = job.output_watch(handle, jobid)
    assert next(watch) == ("stdout", "hi\n")
    job.job_raise(handle, jobid, "remark", 3, "by the way")
    job.cancel(handle, jobid, "why")
    # What comes later is told later.
    assert list(watch) == [
        ("stderr", "job.exception: type=remark severity=3 by the way\n"),
        ("stderr", "job.exception: type=cancel severity=0 why\n"),
    ]
    return over(handle, jobid)


def test_a_job_that_never_started_has_no_output(handle: Flux, never_started: JobID) -> None:
    said = "job.exception: type=alloc: unsatisfiable request"
    with pytest.raises(job.JobException, match=said) as raised:
        job.job_output(handle, never_started)
    assert (raised.value.type, raised.value.severity) == ("alloc", 0)
    events = job.output_event_watch(handle, never_started)
    first = next(events)
    assert isinstance(first, JobExceptionEvent)
    said = (
        "job.exception: type=alloc severity=0 unsatisfiable request: need 1 slot(s) of 9999 core(s)"
    )
    assert first.render().startswith(said)
    for left in (events, job.output_watch_lines(handle, never_started)):
        with pytest.raises(OSError, match=f"job {never_started.f58} never started") as failed:
            list(left)
        assert failed.value.errno == errno.EIO


def test_exceptions_are_among_the_output(handle: Flux, canceled: JobID) -> None:
    assert list(job.output_watch_lines(handle, canceled)) == [
        ("stderr", "job.exception: type=remark severity=3 by the way"),
        ("stderr", "job.exception: type=cancel severity=0 why"),
        ("stdout", "hi"),
    ]
    assert job.job_output(handle, canceled) == ("hi\n", "", "")


def test_the_shell_names_itself(handle: Flux) -> None:
    jobid = over(handle, submit(handle, "/nonexistent/x"))
    exception, message = job.output_watch_lines(handle, jobid)
    assert exception[1].startswith("job.exception: type=exec severity=0 task 0")
    assert exception[1].endswith(START_FAILED)
    assert message[1].startswith("flux-shell[0]: FATAL: task 0")
    assert message[1].endswith(START_FAILED)
    (log,) = (one for one in job.output_event_watch(handle, jobid) if isinstance(one, LogEvent))
    assert (str(log.rank), log.levelstr, log.log_level_string[log.level]) == (
        "0",
        "FATAL",
        "FATAL",
    )


def test_redirection_is_told(handle: Flux, tmp_path: pathlib.Path) -> None:
    file = str(tmp_path / "file")
    jobid = over(handle, submit(handle, "echo", "x", stdout=file))
    assert list(job.output_watch_lines(handle, jobid)) == [
        ("stderr", f"0: {name} redirected to {file}") for name in ("stdout", "stderr")
    ]
    assert job.job_output(handle, jobid) == ("", "", "")
    _, first, _ = job.output_event_watch(handle, jobid)
    assert isinstance(first, RedirectEvent)
    assert (first.path, bool(first.rank)) == (file, True)


def test_filters_users_and_times(handle: Flux, canceled: JobID, never_started: JobID) -> None:
    both = JobList(handle, filters=["canceled,failed"]).jobs()
    assert {canceled, never_started} <= {one.id for one in both}
    assert JobList(handle, filters=["canceled"]).jobs()[0].id == canceled
    with pytest.raises(ValueError, match="Invalid user nosuch specified"):
        JobList(handle, user="nosuch")
    running = submit(handle, "sleep", "100")
    job.event_wait(handle, running, "start")
    found = job.job_list(handle, results=2, attrs=["name"], userid=0xFFFFFFFF).get_jobs()
    assert running not in [one["id"] for one in found]
    job.cancel(handle, running)
    over(handle, running)
    with pytest.raises(OSError, match=r"since < 0.0 not allowed") as refused:
        job.job_list(handle, since=-1).get_jobs()
    assert refused.value.errno == errno.EPROTO


def test_what_was_not_asked_for_is_not_told(handle: Flux, canceled: JobID) -> None:
    found = job.job_list_id(handle, canceled, ["name"]).get_jobinfo()
    told = found.to_dict()
    assert told["name"] == "sh"
    assert "state" not in told
    assert "status" not in told
    assert set(found.properties) >= {"id", "state", "returncode"}


def test_events_and_their_texts(handle: Flux, canceled: JobID) -> None:
    watch = job.event_watch_async(handle, canceled)
    first = watch.get(autoreset=False)
    assert first == watch.get_event()
    assert first is not None
    assert (first.name, str(first).startswith(f"{first.timestamp:.5f}: submit {{")) == (
        "submit",
        True,
    )
    watch.cancel()
    with pytest.raises(job.JobException, match=r"job\.exception: type=cancel: why"):
        job.event_wait(handle, canceled, "nothing")


def test_how_a_waitable_job_ended(handle: Flux) -> None:
    spec = job.JobspecV1.from_command(["false"])
    spec.environment = {"PATH": "/usr/bin:/bin"}
    jobid = job.submit(handle, spec, waitable=True)
    status = job.wait_async(handle, jobid).get_status()
    assert status == (jobid, False, b"task(s) exited with exit code 1")
