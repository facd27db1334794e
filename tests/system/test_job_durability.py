"""What was told about jobs holds, whatever happens to the broker or its disk; purged jobs are gone
whole.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import threading
from functools import partial
from typing import TYPE_CHECKING

import pytest

import flux
import flux.job
from flux.core.handle import Flux
from flux.job import JobID, JobspecV1
from flux.testing.instance import Instance, default_flux, running_instance

from .watching import PATIENCE, background, kill_instance, until, until_equal

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

ROUNDS = 2
TOLD_BEFORE_KILL = 30
FULL = "disk is full"


def names(handle: Flux, jobid: int) -> list[str]:
    return [event.name for event in flux.job.event_watch(handle, jobid)]


def simulated(seconds: str = "0.001s") -> JobspecV1:
    spec = JobspecV1.from_command(["true"])
    spec.setattr("system.exec.test.run_duration", seconds)
    return spec


class User(threading.Thread):
    """Submits jobs and waits for their results until the broker is gone; notes what it was told."""

    def __init__(self, uri: str) -> None:
        super().__init__()
        self._uri = uri
        self.acknowledged: list[int] = []
        self.told: list[int] = []
        self.start()

    def run(self) -> None:
        with contextlib.suppress(OSError), Flux(self._uri) as handle:
            while True:
                jobid = flux.job.submit(handle, simulated(), waitable=True)
                self.acknowledged.append(jobid)
                assert flux.job.wait(handle, jobid).success
                self.told.append(jobid)


def _have_been_told(users: list[User], count: int) -> bool:
    return sum(len(user.told) for user in users) >= count


def test_a_job_whose_end_was_told_does_not_run_again(tmp_path: pathlib.Path) -> None:
    option = f"-o,-Scontent.backing-path={tmp_path}/store.sqlite"
    told: list[int] = []
    acknowledged: list[int] = []
    for _ in range(ROUNDS):
        with running_instance(1, option) as instance:
            users = [User(instance.uri) for _ in range(3)]
            count = TOLD_BEFORE_KILL + random.randrange(20)
            until(partial(_have_been_told, users, count))
            kill_instance(instance)
            for user in users:
                user.join(PATIENCE)
                assert not user.is_alive()
                told += user.told
                acknowledged += user.acknowledged
    with running_instance(1, option) as instance, Flux(instance.uri) as handle:
        handle.rpc("job-manager.drain").get()
        assert len(set(acknowledged)) == len(acknowledged), "no id was given out twice"
        for jobid in acknowledged:
            log = names(handle, jobid)
            assert log[-1] == "clean"
            if jobid in told:
                assert "flux-restart" not in log
            runs = 1 + log.count("memo")
            assert log.count("start") <= runs, f"{log}: it ran again and does not say so"


def test_a_job_that_may_have_begun_says_that_it_was_run_again(tmp_path: pathlib.Path) -> None:
    option = f"-o,-Scontent.backing-path={tmp_path}/store.sqlite"
    spec = simulated()
    spec.setattr("system.exec.test", {"override": 1})  # it starts and ends when it is told to
    with running_instance(1, option) as instance:
        with Flux(instance.uri) as handle:
            jobid = flux.job.submit(handle, spec)
            flux.job.event_wait(handle, jobid, "alloc")
        kill_instance(instance)
    with running_instance(1, option) as instance, Flux(instance.uri) as handle:
        until(lambda: handle.rpc("job-exec.stats.get").get()["jobs"] == 1)
        for event in ("start", "finish"):
            handle.rpc("job-exec.override", {"jobid": jobid, "event": event}).get()
        flux.job.event_wait(handle, jobid, "clean")
        log = names(handle, jobid)
        assert log[3:6] == ["alloc", "flux-restart", "memo"]
        assert log.count("start") == 1


def test_an_instance_that_was_killed_in_a_purge_has_whole_jobs(tmp_path: pathlib.Path) -> None:
    option = f"-o,-Scontent.backing-path={tmp_path}/store.sqlite"
    with running_instance(1, option) as instance:
        script = ("--setattr=system.exec.test.run_duration=0.001s", "--cc=1-120", "true")
        ids = instance.run("mini", "submit", "--wait", *script).stdout.split()
        purge = ("job", "purge", "--num-limit=0", "--batch=2", "--force")
        with background(instance, *purge) as client:
            with Flux(instance.uri) as handle:
                stats = partial(handle.rpc, "job-manager.stats.get")
                until(lambda: stats().get()["inactive_jobs_purged"] >= 20)
            kill_instance(instance)
            client.communicate(timeout=PATIENCE)
    with running_instance(1, option) as instance:
        left = instance.run("jobs", "-a", "-n", "-c", "0", "-o", "{id}").stdout.split()
        assert len(left) <= 100
        with Flux(instance.uri) as handle:
            for jobid in ids:
                for key in ("eventlog", "jobspec", "R", "J"):
                    assert has(handle, jobid, key) == (jobid in left), (jobid, key)
        done = instance.run("job", "purge", "--num-limit=0", "--force")
        assert f"purged {len(left)} inactive jobs, 0 remaining" in done.stdout
        assert instance.run("jobs", "-a", "-n").stdout == ""
        assert instance.run("mini", "run", "true").returncode == 0


def has(handle: Flux, jobid: str, key: str) -> bool:
    """Whether there is a key of a job."""
    try:
        handle.rpc("job-info.lookup", {"id": JobID(jobid), "keys": [key], "flags": 0}).get()
    except FileNotFoundError:
        return False
    return True


def test_limits_of_the_configuration(tmp_path: pathlib.Path) -> None:
    (tmp_path / "jobs.toml").write_text("[job-manager]\ninactive-num-limit = 3\n")
    with running_instance(1, f"-o,-c{tmp_path}", "-o,-Sheartbeat.period=0.1s") as instance:
        script = ("--setattr=system.exec.test.run_duration=0.001s", "--cc=1-20", "true")
        ids = instance.run("mini", "submit", "--wait", *script).stdout.split()
        until_equal(lambda: len(instance.run("jobs", "-a", "-n").stdout.splitlines()), 3)
        assert instance.run("job", "eventlog", ids[0]).returncode != 0


def test_a_mistake_in_the_configuration_fails_the_start(tmp_path: pathlib.Path) -> None:
    (tmp_path / "jobs.toml").write_text("[job-manager]\ninactive-num-limit = -3\n")
    start = subprocess.run(
        [default_flux(), "start", f"-o,-c{tmp_path}", "true"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert start.returncode != 0
    assert (
        f"{tmp_path}/jobs.toml:2: job-manager.inactive-num-limit: must be an integer"
        in start.stderr
    )


class Disk:
    """A small file system that can be filled and emptied."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self._filler = path / "filler"

    def fill(self) -> None:
        """Leave no room; raises OSError for anything but a full disk."""
        with self._filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            for size in (1 << 16, 1 << 12):
                with contextlib.suppress(OSError):
                    while file.write(b"x" * size):
                        continue

    def empty(self) -> None:
        """Give all of it back."""
        self._filler.unlink(missing_ok=True)


@pytest.fixture
def disk(tmp_path: pathlib.Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "none", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mount.returncode != 0:
        pytest.skip(f"a tmpfs cannot be mounted here: {mount.stderr.strip()}")
    yield Disk(folder)
    subprocess.run(["umount", "-l", str(folder)], check=True)


def refused(instance: Instance) -> str:
    """Submit a job and return the one line it was refused with, empty if it was taken."""
    done = instance.run("mini", "submit", "--env=-*", "true")
    assert (done.returncode == 0) == bool(done.stdout), done
    assert len(done.stderr.splitlines()) == (done.returncode != 0), done
    return done.stderr.strip()


def test_a_job_that_a_full_disk_does_not_take_is_refused(disk: Disk) -> None:
    option = f"-o,-Scontent.backing-path={disk.path}/store.sqlite"
    with running_instance(1, option) as instance:
        assert instance.run("mini", "run", "true").returncode == 0
        disk.fill()
        until(lambda: FULL in refused(instance))
        before = instance.run("jobs", "-a", "-n", "-c", "0", "-o", "{id}").stdout.split()
        said = refused(instance)
        assert "the job cannot be stored" in said
        assert instance.run("jobs", "-a", "-n", "-c", "0", "-o", "{id}").stdout.split() == before
        disk.empty()
        until(lambda: refused(instance) == "")
        assert instance.run("mini", "run", "true").returncode == 0
        after = instance.run("jobs", "-a", "-n", "-c", "0", "-o", "{id}").stdout.split()
        kill_instance(instance)
    with running_instance(1, option) as instance:
        until_equal(lambda: instance.run("job", "list", "-s", "active").stdout, "")
        assert sorted(
            instance.run("jobs", "-a", "-n", "-c", "0", "-o", "{id}").stdout.split()
        ) == sorted(after)


def test_events_that_a_full_disk_does_not_take_are_told_when_it_has_room(disk: Disk) -> None:
    option = f"-o,-Scontent.backing-path={disk.path}/store.sqlite"
    with running_instance(1, option) as instance:
        jobid = instance.run("mini", "submit", "sleep", "300").stdout.strip()
        assert instance.run("job", "wait-event", "-t", "60", jobid, "start").returncode == 0
        disk.fill()
        until(lambda: FULL in refused(instance))
        cancel = instance.run("job", "cancel", jobid)
        assert cancel.returncode != 0, "it is done, but not stored yet"
        assert "not stored yet" in cancel.stderr
        assert FULL in cancel.stderr
        with Flux(instance.uri) as handle:
            until(lambda: handle.rpc("job-exec.stats.get").get()["jobs"] == 0)
        assert "exception" not in instance.run("job", "eventlog", jobid).stdout
        disk.empty()
        assert instance.run("job", "wait-event", "-t", "60", jobid, "clean").returncode == 0
        assert "eventlog commits work again" in instance.run("dmesg").stdout
        log = [
            json.loads(line)["name"]
            for line in instance.run("job", "eventlog", "-f", "json", jobid).stdout.splitlines()
        ]
        assert log[4:6] == ["start", "exception"]
        assert len(log) == len(set(log)), "nothing was stored twice"


def test_an_end_with_events_that_are_not_stored_is_a_failure(disk: Disk) -> None:
    option = f"-o,-Scontent.backing-path={disk.path}/store.sqlite"
    with running_instance(1, option) as instance:
        jobid = instance.run("mini", "submit", "sleep", "300").stdout.strip()
        assert instance.run("job", "wait-event", "-t", "60", jobid, "start").returncode == 0
        disk.fill()
        until(lambda: FULL in refused(instance))
        assert instance.stop(60) not in (0, -signal.SIGKILL)
        assert "job events are not stored" in instance.log
        assert os.path.exists(disk.path)


def test_the_purge_command() -> None:
    with running_instance(1) as instance:
        first = instance.run("mini", "submit", "--wait", "true").stdout.strip()
        second = instance.run("mini", "submit", "--wait", "true").stdout.strip()
        active = instance.run("mini", "submit", "--urgency=hold", "true").stdout.strip()

        def purge(*options: str) -> tuple[int, str]:
            done = instance.run("job", "purge", *options)
            assert not (done.stdout and done.stderr)
            return done.returncode, (done.stdout or done.stderr).strip()

        assert purge() == (0, "use --force to purge 0 of 2 inactive jobs")
        assert purge("--num-limit=1") == (0, "use --force to purge 1 of 2 inactive jobs")
        assert purge("--age-limit=1h", "-f") == (0, "purged 0 inactive jobs, 2 remaining")
        assert purge("-f", active) == (1, "flux-job: purge: cannot purge active job")
        assert purge(second, "f1") == (1, "flux-job: purge: f1: id not found")
        assert purge(second) == (0, "use --force to purge 1 of 2 inactive jobs")
        assert purge("-f", second) == (0, "purged 1 inactive jobs, 1 remaining")
        assert purge("-f", second) == (1, "flux-job: purge: id not found")
        assert instance.run("jobs", "-a", "-n", "-o", "{id}").stdout.split() == [active, first]
        assert purge("--num-limit=0", "--force") == (0, "purged 1 inactive jobs, 0 remaining")
        for wrong in (
            ["--age-limit=x"],
            ["--num-limit=-1"],
            ["--batch=0"],
            ["--age-limit=inf"],
            ["-f", "--num-limit=0", "1"],
        ):
            code, said = purge(*wrong)
            assert code != 0
            assert said
        assert instance.run("job", "attach", first).returncode != 0


@pytest.mark.parametrize("kept", ["content.backing-path", "content.dump"])
def test_jobs_that_wait_wait_on_in_the_next_instance(tmp_path: pathlib.Path, kept: str) -> None:
    """An orderly end cancels what runs, and no more than that if there is a later instance."""
    place = tmp_path / "kept"
    with running_instance(1, f"-o,-S{kept}={place}") as first:
        held = first.run("submit", "--urgency=hold", "true").stdout.strip()
        runs = first.run("submit", "sleep", "600").stdout.strip()
        first.run("job", "wait-event", runs, "start")
        after = first.run("submit", f"--dependency=afterany:{runs}", "true").stdout.strip()
    reads = kept if kept == "content.backing-path" else "content.restore"
    with running_instance(1, f"-o,-S{reads}={place}") as second:
        second.run("job", "wait-event", "-t60", after, "clean")
        listed = second.run("jobs", "-ano", "{id.f58} {status}").stdout.split("\n")
        assert {f"{held} PENDING", f"{runs} CANCELED", f"{after} COMPLETED"} <= set(listed)
        second.run("job", "urgency", held, "16")
        assert second.run("job", "status", held).returncode == 0


def test_jobs_that_wait_are_canceled_where_nobody_will_know_them() -> None:
    with running_instance(1) as only:
        held = only.run("submit", "--urgency=hold", "true").stdout.strip()
        with background(only, "job", "attach", "--show-events", held) as attached:
            assert attached.stderr is not None
            while "priority" not in attached.stderr.readline():
                pass
            only.stop()
            assert "type=cancel" in attached.stderr.read()
            assert attached.wait(PATIENCE) == 1
