"""Programs that watch jobs: `flux.job.JobWatcher`, output line by line, what is known of a job."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

import flux
import flux.job
from flux.job import JobID, JobList, JobspecV1, JobWatcher
from flux.testing.instance import Instance, running_instance

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPT = ["sh", "-c", "echo out; echo err >&2; exit 3"]


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(1) as running:
        yield running


@pytest.fixture
def handle(instance: Instance) -> Iterator[flux.Flux]:
    with flux.Flux(instance.environment["FLUX_URI"]) as h:
        yield h


def run(h: flux.Flux, watcher: JobWatcher, *ids: JobID) -> None:
    for jobid in ids:
        watcher.add_jobid(jobid)
    watcher.start()
    h.reactor_run()
    watcher.stop()


def test_output_and_failures_are_shown(handle: flux.Flux) -> None:
    out, err = io.StringIO(), io.StringIO()
    ids = [flux.job.submit(handle, JobspecV1.from_submit(SCRIPT)) for _ in range(2)]
    ids.append(flux.job.submit(handle, JobspecV1.from_submit(["nosuchprogram"])))
    watcher = JobWatcher(handle, stdout=out, stderr=err, labelio=True, log_status=True)
    run(handle, watcher, *ids)
    assert sorted(out.getvalue().splitlines()) == sorted(f"{one}: 0: out" for one in ids[:2])
    told = err.getvalue()
    assert f"{ids[0]}: 0: err\n" in told
    assert f"{ids[0]}: failed: exit code 3\n" in told
    assert f"{ids[2]}: exception: type=exec severity=0 " in told
    assert watcher.exitcode == 127
    assert {name: watcher.progress.kwargs[name] for name in ("total", "count", "failed")} == {
        "total": 3,
        "count": 3,
        "failed": 3,
    }


def test_a_callback_gets_the_output_and_its_end(handle: flux.Flux) -> None:
    found: list[tuple[JobID, str | None, str | None]] = []
    jobid = flux.job.submit(handle, JobspecV1.from_submit(SCRIPT))
    watcher = JobWatcher(handle, output_callback=lambda *seen: found.append(seen))
    run(handle, watcher, jobid)
    assert sorted(found[:-1]) == [(jobid, "stderr", "err\n"), (jobid, "stdout", "out\n")]
    assert found[-1] == (jobid, None, None)


def test_events_are_logged_and_jobs_that_are_over_shown(handle: flux.Flux) -> None:
    out, err = io.StringIO(), io.StringIO()
    jobid = flux.job.submit(handle, JobspecV1.from_submit(SCRIPT))
    flux.job.result(handle, jobid)
    jobs = JobList(handle, ids=[jobid]).jobs()
    watcher = JobWatcher(handle, jobs, log_events=True, stdout=out, stderr=err)
    run(handle, watcher)
    assert out.getvalue() == "out\n"
    assert f"{jobid}: 0.000s: submit " in err.getvalue()
    assert ": exec.shell.start " in err.getvalue()
    assert watcher.exitcode == 3


def test_watching_ends_with_the_event_that_is_waited_for(handle: flux.Flux) -> None:
    jobid = flux.job.submit(handle, JobspecV1.from_submit(["sleep", "600"]))
    watcher = JobWatcher(handle, wait="start", watch=False)
    run(handle, watcher, jobid)
    assert watcher.progress.jobs[int(jobid)].status == "running"
    flux.job.cancel(handle, jobid)
    flux.job.event_wait(handle, jobid, "clean", raiseJobException=False)


def test_output_comes_line_by_line(handle: flux.Flux) -> None:
    jobid = flux.job.submit(handle, JobspecV1.from_submit(["printf", "a\nb\nc"]))
    lines = flux.job.output_watch_lines_async(handle, jobid)
    found = []
    while (line := lines.getline())[0] is not None:
        found.append(line)
    assert found == [("stdout", "a"), ("stdout", "b"), ("stdout", "c")]
    kinds = [type(event).__name__ for event in flux.job.output_event_watch(handle, jobid)]
    assert kinds[0] == "OutputHeaderEvent"
    assert set(kinds[1:]) == {"OutputEvent"}


def test_what_is_known_of_a_job(handle: flux.Flux) -> None:
    jobid = flux.job.submit(handle, JobspecV1.from_submit(SCRIPT, name="n"))
    flux.job.result(handle, jobid)
    (job,) = JobList(handle, ids=[jobid]).jobs()
    known = job.to_dict()
    assert (known["name"], known["status"], known["returncode"]) == ("n", "FAILED", 3)
    assert known["exception"] == {"occurred": False}
    assert "expiration" not in known
    assert "expiration" in job.to_dict(filtered=False)
    assert (job.inactive_reason, job.uri, job.contextual_info) == ("Exit 3", None, job.nodelist)
    assert not job.get_instance_info().initialized
    assert [len(job.status_emoji), job.status_emoji == job.result_emoji] == [1, True]


def test_an_instance_tells_of_itself(instance: Instance, handle: flux.Flux) -> None:
    from flux.job.info import InstanceInfo

    # Jobs of before have given back what they had once they are clean.
    assert instance.run("queue", "idle").returncode == 0
    told = InstanceInfo(instance.environment["FLUX_URI"])
    assert told.initialized
    assert told.utilization == 0.0
    assert "PD:0" in repr(told.stats)
    assert str(InstanceInfo("local:///nosuch").stats) == ""
    stats = flux.job.JobStats(handle, queue="nosuch")
    with pytest.raises(ValueError, match="no stats available for queue nosuch"):
        stats.update_sync()
