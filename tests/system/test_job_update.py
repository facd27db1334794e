"""Jobs that are changed after their submission: who sees it, and what becomes of their time
limits.
"""

from __future__ import annotations

import contextlib
import json
import random
import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

import flux
from flux import job
from flux.constants import FLUX_RPC_STREAMING
from flux.job.updates import DURATION, NAME
from flux.testing.instance import Instance, running_instance

from .watching import PATIENCE, kill_instance, until, until_equal

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

    from flux.core.handle import Flux
    from flux.job.JobID import JobID
    from flux.rpc import RPC

GUEST = {"FLUX_HANDLE_USERID": "9999", "FLUX_HANDLE_ROLEMASK": "0x2"}


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(2) as running:
        yield running


@pytest.fixture
def handle(instance: Instance) -> Iterator[Flux]:
    with flux.Flux(instance.uri) as opened:
        yield opened


def submit(handle: Flux, *command: str, urgency: int = 16, **options: Any) -> JobID:
    spec = job.JobspecV1.from_command(list(command))
    spec.environment = {"PATH": "/usr/bin:/bin"}
    spec.duration = 600
    for name, value in options.items():
        spec.setattr_shell_option(name, value)
    return job.submit(handle, spec, urgency)


def running(handle: Flux, *command: str, **options: Any) -> JobID:
    jobid = submit(handle, *command, **options)
    assert job.event_wait(handle, jobid, "start") is not None
    return jobid


def changes(handle: Flux, held: JobID) -> Iterator[str]:
    """Change a job in each of the ways that leave an event; yield the name of that."""
    job.memo(handle, held, {"ticket": 1})
    yield "memo"
    job.urgency(handle, held, 1)
    yield "urgency"
    job.job_raise(handle, held, "note", severity=7)
    yield "note"
    job.cancel(handle, held)
    yield "cancel"


def looked_up(handle: Flux, jobid: JobID, key: str) -> Any:
    found = job.job_kvs_lookup(handle, jobid, keys=[key])
    assert found is not None
    return found[key]


@pytest.mark.parametrize("rank", [0, 1])
def test_what_has_been_answered_can_be_read(instance: Instance, handle: Flux, rank: int) -> None:
    """By whoever asks next, however soon, on any rank."""
    with flux.Flux(f"local://{instance.rundir}/local-{rank}") as reader:
        for _ in range(20):
            held = submit(handle, "sleep", "60", urgency=0)
            job.update(handle, held, {DURATION: 90})
            assert looked_up(reader, held, "jobspec")["attributes"]["system"]["duration"] == 90
            for name in changes(handle, held):
                assert name in looked_up(reader, held, "eventlog")


@pytest.fixture
def held(handle: Flux) -> Iterator[JobID]:
    """A job that is held until its end."""
    jobid = submit(handle, "true", urgency=0)
    yield jobid
    with contextlib.suppress(FileNotFoundError):  # it has ended
        job.cancel(handle, jobid)
    ended(handle, jobid)


def ended(handle: Flux, jobid: JobID) -> None:
    """Return when a job has ended, however it did."""
    job.event_wait(handle, jobid, "clean", raiseJobException=False)


def contexts(handle: Flux, jobid: int, name: str) -> list[dict[str, Any]]:
    """Return the contexts of a job's events of a name, so far."""
    answer = handle.rpc("job-info.lookup", {"id": jobid, "keys": ["eventlog"], "flags": 0}).get()
    entries = [json.loads(line) for line in answer["eventlog"].splitlines()]
    return [entry["context"] for entry in entries if entry["name"] == name]


def listed(handle: Flux, jobid: int) -> dict[str, Any]:
    found = job.get_job(handle, jobid)
    assert found is not None
    return found


def current(handle: Flux, jobid: int, key: str, **how: bool) -> dict[str, Any]:
    found = job.job_kvs_lookup(handle, jobid, [key], **how)
    assert found is not None
    value: dict[str, Any] = found[key]
    return value


def duration(jobspec: dict[str, Any]) -> object:
    return jobspec["attributes"]["system"]["duration"]


# Who sees it


def test_everybody_sees_what_a_waiting_job_is_by_now(handle: Flux, held: JobID) -> None:
    job.update(handle, held, {DURATION: 1200, NAME: "probe"})
    assert contexts(handle, held, "jobspec-update") == [{DURATION: 1200, NAME: "probe"}]
    until_equal(
        lambda: (listed(handle, held)["name"], listed(handle, held)["duration"]), ("probe", 1200)
    )
    assert duration(current(handle, held, "jobspec")) == 1200
    assert duration(current(handle, held, "jobspec", base=True)) == 600
    assert duration(current(handle, held, "jobspec", original=True)) == 600


def test_so_does_another_rank(instance: Instance, handle: Flux, held: JobID) -> None:
    job.update(handle, held, {DURATION: 1200})
    shown = instance.run("exec", "-r1", "flux", "job", "info", held.f58, "jobspec")
    assert duration(json.loads(shown.stdout)) == 1200
    base = instance.run("exec", "-r1", "flux", "job", "info", "--base", held.f58, "jobspec")
    assert duration(json.loads(base.stdout)) == 600
    done = instance.run("exec", "-r1", "flux", "update", held.f58, "duration=+1m")
    assert (done.returncode, done.stderr) == (0, "")
    assert contexts(handle, held, "jobspec-update")[-1] == {DURATION: 1260.0}


def test_the_shell_gets_the_changed_jobspec(handle: Flux, held: JobID) -> None:
    job.update(handle, held, {DURATION: 0, "attributes.user.seen": 1})
    job.urgency(handle, held, 16)
    ended(handle, held)
    resources = current(handle, held, "R")
    assert resources["execution"]["expiration"] == 0


@pytest.mark.parametrize(
    ("key", "read"), [("R", lambda r: r["execution"]["expiration"]), ("jobspec", duration)]
)
def test_a_watch_tells_of_each_update(handle: Flux, key: str, read: Any) -> None:
    jobid = running(handle, "sleep", "600")
    payload = {"id": int(jobid), "key": key, "flags": 0}
    watch = handle.rpc("job-info.update-watch", payload, flags=FLUX_RPC_STREAMING)
    seen = [read(watch.get()[key])]
    for seconds in (1200, 1800):
        job.update(handle, jobid, {DURATION: seconds})
        watch.reset()
        seen.append(read(watch.get()[key]))
    assert (seen[1] - seen[0], seen[2] - seen[1]) == (pytest.approx(600), pytest.approx(600))
    job.cancel(handle, jobid)
    watch.reset()
    with pytest.raises(OSError, match="No data"):
        watch.get()


# Time limits


def test_a_running_job_gets_more_time(handle: Flux) -> None:
    jobid = running(handle, "sleep", "600")
    before = job.timeleft(handle, jobid)
    expiration = current(handle, jobid, "R")["execution"]["expiration"]
    job.update(handle, jobid, {DURATION: 1200})
    (context,) = contexts(handle, jobid, "resource-update")
    assert context["expiration"] == pytest.approx(expiration + 600)
    until(lambda: job.timeleft(handle, jobid) > before + 500)
    assert listed(handle, jobid)["expiration"] == context["expiration"]
    assert current(handle, jobid, "R")["execution"]["expiration"] == context["expiration"]
    assert current(handle, jobid, "R", base=True)["execution"]["expiration"] == expiration
    job.cancel(handle, jobid)


def test_a_running_job_ends_at_its_new_limit(handle: Flux) -> None:
    jobid = running(handle, "sleep", "600")
    began = current(handle, jobid, "R")["execution"]["starttime"]
    job.update(handle, jobid, {DURATION: time.time() - began + 3})
    event = job.event_wait(handle, jobid, "exception", raiseJobException=False)
    assert event is not None
    assert event.context["type"] == "timeout"
    assert event.context["note"] == "resource allocation expired"
    assert event.timestamp >= contexts(handle, jobid, "resource-update")[0]["expiration"] - 0.1


def test_a_job_outlives_the_limit_it_had(handle: Flux) -> None:
    spec = job.JobspecV1.from_command(["sleep", "600"])
    spec.environment = {"PATH": "/usr/bin:/bin"}
    spec.duration = 30
    jobid = job.submit(handle, spec)
    job.event_wait(handle, jobid, "start")
    job.update(handle, jobid, {DURATION: 0})
    assert job.timeleft(handle, jobid) in (float("inf"), pytest.approx(30, abs=30))
    until(lambda: job.timeleft(handle, jobid) == float("inf"))
    job.update(handle, jobid, {DURATION: PATIENCE + 600})
    until(lambda: 300 < job.timeleft(handle, jobid) < float("inf"))
    job.cancel(handle, jobid)


def test_the_warning_comes_before_the_new_limit(handle: Flux) -> None:
    script = "trap 'echo warned; exit 3' USR1; echo ready; while :; do sleep 0.05; done"
    warning = {"signum": 10, "timeleft": 60}
    jobid = running(handle, "bash", "-c", script, signal=warning)
    lines = job.output_watch_lines(handle, jobid)
    assert next(lines) == ("stdout", "ready")
    job.update(handle, jobid, {DURATION: 50})  # less than the warning: it comes at once
    assert ("stdout", "warned") in list(lines)
    ended(handle, jobid)
    assert not contexts(handle, jobid, "exception")


# The command


def test_the_command(instance: Instance, handle: Flux, held: JobID) -> None:
    def run(*words: str) -> tuple[int, str, str]:
        done = instance.run("update", *words)
        return done.returncode, done.stdout, done.stderr

    id = held.f58  # noqa: A001 - what it is called
    assert run("-n", id, "duration=+10m", "x=1", "y=[1]", "z=text", "u=", "t=null") == (
        0,
        '{"attributes.system.duration": 1200.0, "attributes.system.x": 1, '
        '"attributes.system.y": [1], "attributes.system.z": "text", '
        '"attributes.system.u": "", "attributes.system.t": null}\n',
        "",
    )
    said = "flux-update: INFO: updated attributes.system.duration to 1200.0\n"
    assert run("--wait", id, "-v", "duration=+10m") == (0, "", said)
    assert run(id, "duration=-5m", "name=probe") == (0, "", "")
    for words, reason in (
        ([id, "duration=-1h"], f"current duration for {id} (15m) cannot be reduced by 1h"),
        ([id, "duration"], "invalid Flux standard duration"),
        ([id, "duration=x"], "invalid Flux standard duration"),
        ([id, "foo=bar"], "update of attributes.system.foo not supported"),
        ([id, "tasks.x=bar"], "one or more jobspec updates are invalid"),
        (["1234", "name=x"], "unknown job id"),
    ):
        assert run(*words) == (1, "", f"flux-update: ERROR: {reason}\n")
    assert run(id, "duration=inf") == (0, "", "")
    text = f"duration for {id} is unlimited, can't update by +1m"
    assert run(id, "duration=+1m") == (1, "", f"flux-update: ERROR: {text}\n")
    assert [list(context.values()) for context in contexts(handle, held, "jobspec-update")] == [
        [1200.0],
        [900.0, "probe"],
        [0.0],
    ]
    for words, reason in (
        ([id], "the following arguments are required: KEY=VALUE"),
        (["no!id", "name=x"], "argument JOBID: invalid JobID value: 'no!id'"),
    ):
        code, _, err = run(*words)
        assert (code, err.splitlines()[-1]) == (2, f"flux-update: error: {reason}")


def test_a_guest_may_not_change_the_jobs_of_others(instance: Instance, held: JobID) -> None:
    guest = Instance.__new__(Instance)
    guest.__dict__ = {**instance.__dict__, "environment": instance.environment | GUEST}
    done = guest.run("update", held.f58, "name=x")
    assert (done.returncode, done.stderr) == (
        1,
        "flux-update: ERROR: guests may only update their own jobs\n",
    )


# Many, and trouble


def refusal(future: RPC) -> str | None:
    """Return why a request was refused, None if it was not."""
    try:
        future.get()
    except OSError as exc:
        return exc.strerror
    return None


def test_updates_of_many_at_once(instance: Instance, held: JobID) -> None:
    """Whoever comes last has the last word, and everybody is answered."""

    def change(name: str) -> None:
        with flux.Flux(instance.uri) as handle:
            for number in range(50):
                job.update(
                    handle, held, {f"attributes.user.{name}": number, NAME: f"{name}{number}"}
                )

    threads = [threading.Thread(target=change, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    with flux.Flux(instance.uri) as handle:
        assert len(contexts(handle, held, "jobspec-update")) == 200
        attributes = current(handle, held, "jobspec")["attributes"]
        assert attributes["user"] == dict.fromkeys("abcd", 49)
        assert listed(handle, held)["name"] == attributes["system"]["job"]["name"]


def test_jobs_that_change_while_they_are_scheduled(handle: Flux) -> None:
    """Whatever comes first, each job runs once and with the limit that was acknowledged."""
    rng = random.Random(4)
    ids = [submit(handle, "true") for _ in range(40)]
    limits: dict[int, float] = dict.fromkeys(ids, 600)
    futures = []
    for _ in range(120):
        jobid, seconds = rng.choice(ids), float(rng.randrange(1000, 2000))
        futures.append((jobid, seconds, job.update_async(handle, jobid, {DURATION: seconds})))
    for jobid, seconds, future in futures:
        reason = refusal(future)
        if reason is None:
            limits[jobid] = seconds
        else:
            assert reason in ("job is inactive", "the job has no resources")
    for jobid in ids:
        assert job.result(handle, jobid).returncode == 0
        assert duration(current(handle, jobid, "jobspec")) == limits[jobid]
        found = current(handle, jobid, "R")["execution"]
        updated = contexts(handle, jobid, "resource-update")
        given = contexts(handle, jobid, "alloc")
        assert len(given) == 1
        if not updated:
            assert found["expiration"] - found["starttime"] == pytest.approx(limits[jobid])


def test_what_was_acknowledged_survives_a_kill(tmp_path: pathlib.Path) -> None:
    store = f"-o,-Scontent.backing-path={tmp_path / 'content.sqlite'}"
    with running_instance(1, store) as instance:
        with flux.Flux(instance.uri) as handle:
            jobid = submit(handle, "true", urgency=0)
            for number in range(20):
                job.update(handle, jobid, {DURATION: 700 + number, NAME: f"n{number}"})
        kill_instance(instance)
    with running_instance(1, store) as instance, flux.Flux(instance.uri) as handle:
        assert duration(current(handle, jobid, "jobspec")) == 719
        until_equal(lambda: listed(handle, jobid)["name"], "n19")
        assert listed(handle, jobid)["duration"] == 719
        job.update(handle, jobid, {DURATION: 800})
        job.urgency(handle, jobid, 16)
        ended(handle, jobid)
        found = current(handle, jobid, "R")["execution"]
        assert found["expiration"] - found["starttime"] == pytest.approx(800)


def test_a_dump_has_the_updates(tmp_path: pathlib.Path) -> None:
    archive, path = tmp_path / "kvs.tgz", tmp_path / "new.sqlite"
    with running_instance(1) as instance, flux.Flux(instance.uri) as handle:
        jobid = submit(handle, "true", urgency=0)
        job.update(handle, jobid, {DURATION: 700, NAME: "probe"})
        assert instance.run("dump", "-q", str(archive)).returncode == 0
        assert instance.run("restore", "-q", "--store", str(path), str(archive)).returncode == 0
        job.cancel(handle, jobid)
    store = f"-o,-Scontent.backing-path={path}"
    with running_instance(1, store) as instance, flux.Flux(instance.uri) as handle:
        until_equal(lambda: listed(handle, jobid)["name"], "probe")
        assert duration(current(handle, jobid, "jobspec")) == 700
        assert duration(current(handle, jobid, "jobspec", base=True)) == 600
        job.urgency(handle, jobid, 16)
        ended(handle, jobid)
        assert listed(handle, jobid)["duration"] == 700


def test_the_archive_of_jobs_has_them(tmp_path: pathlib.Path) -> None:
    file, settings = tmp_path / "jobs.sqlite", tmp_path / "archive.toml"
    settings.write_text(f'[archive]\ndbpath = "{file}"\nperiod = "0.1s"\n')
    with (
        running_instance(1, f"--config-path={settings}") as instance,
        flux.Flux(instance.uri) as handle,
    ):
        jobid = submit(handle, "true", urgency=0)
        job.update(handle, jobid, {DURATION: 700})
        job.urgency(handle, jobid, 16)
        ended(handle, jobid)

    with contextlib.closing(sqlite3.connect(file)) as archive:
        ((jobspec, resources),) = archive.execute("SELECT jobspec, R FROM jobs").fetchall()
    assert duration(json.loads(jobspec)) == 700
    execution = json.loads(resources)["execution"]
    assert execution["expiration"] - execution["starttime"] == pytest.approx(700)
