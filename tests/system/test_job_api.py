"""``flux.job`` on a live instance: output, notes, the journal, time left, lists with conditions."""

from __future__ import annotations

import asyncio
import math
import os
import resource
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

import flux
from flux import job
from flux.job.journal import SENTINEL_EVENT
from flux.job.list import JobList
from flux.resource import ResourceJournalConsumer
from flux.testing.instance import Instance, running_instance

from .watching import PATIENCE, until, until_equal

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Iterator

    from flux.core.handle import Flux
    from flux.job.JobID import JobID

WRITES = (
    "printf 'one\\ntw'; echo bad >&2; until test -e go; do sleep 0.02; done; printf 'o\\n\\377'"
)


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(2) as running:
        yield running


@pytest.fixture
def handle(instance: Instance) -> Iterator[Flux]:
    with flux.Flux(instance.uri) as opened:
        yield opened


def submit(handle: Flux, *command: str, urgency: int = 16, num_tasks: int = 1) -> JobID:
    spec = job.JobspecV1.from_command(list(command), num_tasks=num_tasks)
    spec.environment = {"PATH": "/usr/bin:/bin"}
    return job.submit(handle, spec, urgency)


def held(handle: Flux) -> Iterator[JobID]:
    jobid = submit(handle, "true", urgency=0)
    yield jobid
    job.cancel(handle, jobid)


@pytest.fixture(name="held")
def held_fixture(handle: Flux) -> Iterator[JobID]:
    yield from held(handle)


def notes_of(handle: Flux, jobid: JobID) -> object:
    found = job.get_job(handle, jobid)
    assert found is not None
    return found["annotations"].get("user")


def test_output_is_seen_while_a_job_runs(handle: Flux, tmp_path: pathlib.Path) -> None:
    spec = job.JobspecV1.from_command(["sh", "-c", WRITES])
    spec.cwd = str(tmp_path)
    jobid = job.submit(handle, spec)
    lines = job.output_watch_lines(handle, jobid)
    assert {next(lines), next(lines)} == {("stdout", "one"), ("stderr", "bad")}
    # What there is already is there for those who do not want to wait as well.
    assert next(job.output_watch(handle, jobid, nowait=True))[1] in ("one\n", "bad\n")
    (tmp_path / "go").touch()
    assert list(lines) == [("stdout", "two"), ("stdout", "\ufffd")]
    assert job.job_output(handle, jobid) == ("one\ntwo\n\ufffd", "bad\n", "")
    raw = b"".join(data for _, data in job.output_watch(handle, jobid, raw=True))
    assert b"two\n\xff" in raw


def test_output_of_tasks(handle: Flux) -> None:
    jobid = submit(handle, "sh", "-c", "echo $FLUX_TASK_RANK", num_tasks=3)
    assert sorted(job.job_output(handle, jobid, labelio=True).stdout.splitlines()) == [
        "0: 0",
        "1: 1",
        "2: 2",
    ]
    assert job.job_output(handle, jobid, tasks="1-2").stdout.split() in (["1", "2"], ["2", "1"])


def test_output_that_never_comes_ends(handle: Flux) -> None:
    jobid = submit(handle, "true", urgency=0)
    with pytest.raises(FileNotFoundError, match="output not ready"):
        job.job_output(handle, jobid, nowait=True)
    watch = job.output_event_watch_async(handle, jobid)
    job.cancel(handle, jobid)
    assert watch.get_event() is None
    with pytest.raises(FileNotFoundError, match="does not exist"):
        job.job_output(handle, 12345)


def test_output_may_be_awaited(instance: Instance) -> None:
    async def read() -> list[str]:
        with flux.Flux(instance.uri) as handle:
            watch = job.output_watch_async(handle, submit(handle, "echo", "hello"))
            found = []
            async for _ in watch:
                event = watch.get_event(autoreset=False)
                if event is not None:
                    found.append(event.data)
            return [text for text in found if text]

    assert asyncio.run(asyncio.wait_for(read(), PATIENCE)) == ["hello\n"]


def test_large_output_is_not_collected(handle: Flux) -> None:
    """100 MB pass through a reader that grows by less than a fifth of that."""
    script = "yes 0123456789012345678901234567890123456789 | head -c 100000000"
    jobid = submit(handle, "sh", "-c", script)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    count = sum(len(data) for _, data in job.output_watch(handle, jobid, raw=True))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert count == 100_000_000
    assert grown < 20_000, f"{grown} KiB; {sys.version}"


def test_notes_of_a_job(handle: Flux, held: JobID) -> None:
    assert job.urgency(handle, held, 0) == 0
    job.annotate(handle, held, {"a": 1, "gone": 2})
    job.memo(handle, held, {"kept": {"b": [1]}})
    job.memo(handle, held, {"v": True}, volatile=True)
    job.annotate(handle, held, {"gone": None})
    until_equal(lambda: notes_of(handle, held), {"a": 1, "kept": {"b": [1]}, "v": True})
    job.job_raise(handle, held, "test", 3, "why")
    event = job.event_wait(handle, held, "exception")
    assert (event.context["type"], event.context["severity"]) == ("test", 3)
    assert job.event_wait(handle, held, "memo").context == {"kept": {"b": [1]}}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda h, j: job.urgency(h, j, 99), "urgency value is out of range"),
        (lambda h, j: job.job_raise(h, j, "a b"), "invalid exception type"),
        (lambda h, j: job.job_raise(h, j, "a", 9), "invalid exception severity"),
        (lambda h, j: job.memo(h, 12345, {}), "unknown job id"),
        (lambda h, j: job.annotate(h, 12345, {}), "unknown job id"),
        (lambda h, j: job.kill(h, j, 99), "Invalid signal number"),
        (lambda h, j: job.purge_id(h, j), "cannot purge active job"),
    ],
)
def test_changes_that_are_refused(
    handle: Flux, held: JobID, change: Callable[[Flux, JobID], object], text: str
) -> None:
    with pytest.raises(OSError, match=text):
        change(handle, held)


@pytest.mark.parametrize("change", [job.memo, job.annotate])
@pytest.mark.parametrize("wrong", [3, None, [1], {1: 2}])
def test_notes_are_objects(handle: Flux, change: Callable[..., object], wrong: object) -> None:
    with pytest.raises(TypeError, match=r"must be a dict|must be strings"):
        change(handle, 1, wrong)


def test_the_journal_tells_of_all_jobs(handle: Flux, instance: Instance) -> None:
    first = submit(handle, "true")
    job.event_wait(handle, first, "clean")
    with flux.Flux(instance.uri) as other, job.JournalConsumer(other) as journal:
        names = []
        while (event := journal.poll(PATIENCE)) is not None:
            if event.jobid == first:
                names.append(event.name)
            if names[-1:] == ["clean"]:
                break
        assert names[:3] == ["submit", "depend", "priority"]
        second = submit(handle, "true")
        seen = iter(journal)
        found = next(event for event in seen if event.jobid == second)
        assert (found.name, found.seq) == ("submit", 0)
        assert found.jobspec is not None
        assert found.jobspec["tasks"][0]["command"] == ["true"]
        alloc = next(event for event in seen if (event.jobid, event.name) == (second, "alloc"))
        assert alloc.R is not None
        journal.stop()
        assert all(event.jobid == second for event in seen)


def test_the_journal_calls_back_and_begins_where_it_is_told(handle: Flux) -> None:
    old = submit(handle, "true")
    since = job.event_wait(handle, old, "clean").timestamp
    new = submit(handle, "true")
    job.event_wait(handle, new, "clean")
    journal = job.JournalConsumer(handle, since=since)
    found: list[job.JournalEntry | None] = []

    def arrived(event: job.JournalEntry | None, word: str) -> None:
        assert word == "x"
        found.append(event)
        if event is None:
            handle.reactor_stop()
        elif (event.jobid, event.name) == (new, "clean"):
            journal.stop()

    journal.set_callback(arrived, "x")
    assert journal.start() is journal
    handle.reactor_run()
    jobids = {event.jobid for event in found if event is not None}
    assert new in jobids
    assert old not in jobids, "whatever other tests have left to run"
    with pytest.raises(RuntimeError, match="has not been started"):
        job.JournalConsumer(handle).poll()


def test_the_past_in_the_journal_is_in_order_and_ends_with_an_empty_event(handle: Flux) -> None:
    held = submit(handle, "true")
    job.event_wait(handle, held, "clean")
    with job.JournalConsumer(handle, include_sentinel=True) as journal:
        past = []
        while not (event := journal.poll(PATIENCE)) or not event.is_empty():
            assert event is not None
            past.append(event)
        assert event == SENTINEL_EVENT
        assert [one.timestamp for one in past] == sorted(one.timestamp for one in past)
        assert (held, "clean") in {(one.jobid, one.name) for one in past}


def test_the_journal_of_resources(handle: Flux) -> None:
    with ResourceJournalConsumer(handle, include_sentinel=True) as journal:
        past = []
        while (event := journal.poll(PATIENCE)) and not event.is_empty():
            past.append(event)
        defined = next(one for one in past if one.name == "resource-define")
        assert defined.R is not None
        assert defined.R["version"] == 1
        assert {one.name for one in past if one.R is None} >= {"resource-init", "online"}
        journal.stop()
        assert journal.poll(PATIENCE) is None


def test_a_wait_for_the_journal_may_have_a_limit(handle: Flux) -> None:
    def until_silent() -> None:
        with job.JournalConsumer(handle, full=False) as journal:
            while journal.poll(0.1):
                pass

    with pytest.raises(TimeoutError):
        until_silent()


def test_time_left(handle: Flux, instance: Instance, held: JobID) -> None:
    assert job.timeleft(handle, held) == 0.0
    spec = job.JobspecV1.from_command(["sleep", "60"])
    unlimited = job.submit(handle, spec)
    spec.duration = 60
    limited = job.submit(handle, spec)
    job.event_wait(handle, limited, "start")
    job.event_wait(handle, unlimited, "start")
    until(lambda: 0 < job.timeleft(handle, limited) <= 60)
    until_equal(lambda: job.timeleft(handle, unlimited), math.inf)
    for one in (limited, unlimited):
        job.cancel(handle, one)
    with pytest.raises(FileNotFoundError):
        job.timeleft(handle, 12345)
    script = "from flux.job import timeleft; print(timeleft())"
    inside = instance.run("mini", "run", "-t", "1m", sys.executable, "-c", script)
    assert 0 < float(inside.stdout) <= 60, inside.stderr
    nested = ("mini", "batch", "-n1", "-t", "1m", "--output=none", "--wrap", sys.executable, "-c")
    batch = instance.run(*nested, f"'{script}'").stdout.strip()
    assert 0 < float(job.job_output(handle, batch).stdout) <= 60


def test_lists_with_conditions(handle: Flux) -> None:
    start = time.time()
    ids = []
    for name, command in (("wanted", "true"), ("wanted", "false"), ("other", "true")):
        spec = job.JobspecV1.from_command([command])
        spec.setattr("system.job.name", name)
        ids.append(job.submit(handle, spec))
    for jobid in ids:
        job.event_wait(handle, jobid, "clean")
    until(lambda: all((job.get_job(handle, one) or {})["result"] for one in ids))

    def listed(**how: Any) -> list[JobID]:
        return sorted(one.id for one in JobList(handle, **how).jobs())

    assert listed(name="wanted") == sorted(ids[:2])
    failed = {"results": ["failed"]}
    assert listed(name="wanted", constraint=failed) == [ids[1]]
    assert listed(name=b"other", constraint={"and": [{"t_submit": [f">{start}"]}]}) == [ids[2]]
    assert listed(name="other", since=time.time()) == []
    assert listed(name="wanted", queue="nosuch") == []
    with pytest.raises(OSError, match="unknown constraint operator: x"):
        listed(constraint={"x": []})
    with pytest.raises(TypeError, match="constraint must be a dict"):
        listed(constraint=3)
    found = job.get_job(handle, ids[1])
    assert found is not None
    assert (found["name"], found["result"], found["returncode"]) == ("wanted", "FAILED", 1)
    assert found["ncores"] == 1
    assert job.get_job(handle, 12345) is None


def test_the_key_value_directory_of_a_job(handle: Flux) -> None:
    jobid = submit(handle, "echo", "hello")
    job.event_wait(handle, jobid, "clean")
    assert {"J", "R", "eventlog", "guest", "jobspec"} <= set(job.job_kvs(handle, jobid))
    assert {"exec", "input", "output"} <= set(job.job_kvs_guest(handle, jobid))
    assert job.job_kvs(handle, jobid)["jobspec"]["tasks"][0]["command"] == ["echo", "hello"]


def test_a_watch_that_is_stopped_calls_nobody(handle: flux.Flux) -> None:
    jobid = flux.job.submit(handle, flux.job.JobspecV1.from_command(["true"]))
    watch = flux.job.event_watch_async(handle, jobid)
    told: list[str] = []
    watch.then(lambda future: told.append("called"))
    watch.cancel(stop=True)
    handle.reactor_run()
    assert told == []


def test_every_argument_of_a_list_of_jobs(handle: flux.Flux) -> None:
    specs = {name: flux.job.JobspecV1.from_command(["true"]) for name in ("arg-a", "arg-b")}
    for name, spec in specs.items():
        spec.setattr("system.job.name", name)
    first, second = (flux.job.submit(handle, spec) for spec in specs.values())
    ended = {int(one): flux.job.result(handle, one) for one in (first, second)}
    assert len(ended) == 2

    def found(**how: Any) -> set[int]:
        listed = {int(one.id) for one in flux.job.JobList(handle, **how).jobs()}
        return listed & set(ended)

    one = flux.job.JobList(handle, ids=[first]).jobs()[0]
    assert (one.name, one.ncores, one.t_depend > 0) == ("arg-a", 1, True)
    assert found() == found(max_entries=0) == found(user="all", queue=None) == set(ended)
    assert found(name="arg-a") == {int(first)}
    assert found(name="arg-b", constraint={"name": ["arg-a"]}) == set()
    assert found(constraint={"name": ["arg-b"]}) == {int(second)}
    assert found(filters=["failed"]) == found(queue="nosuch") == set()
    assert found(filters=["completed"], attrs=["name"]) == set(ended)
    since = float(one.t_inactive)
    assert int(first) not in found(since=since)
    assert found(since=since - 1000) == set(ended)
    newest = flux.job.JobList(handle, ["name"], ["inactive"], [], None, 1, 0.0, "arg-b").jobs()
    assert [int(job.id) for job in newest] == [int(second)]
    by_name = flux.job.job_list(handle, name="arg-a", queue=None, userid=os.getuid()).get_jobs()
    assert [job["id"] for job in by_name] == [int(first)]
    narrowed = flux.job.job_list_inactive(handle, constraint={"name": ["arg-b"]}).get_jobs()
    ids = [job["id"] for job in narrowed]
    assert ids == [int(second)]
    assert flux.job.job_list_inactive(handle, queue="nosuch").get_jobs() == []
