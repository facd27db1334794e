"""``flux seg`` on a live instance: what it tells, to whom, and what ends it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from flux.core.handle import Flux
from flux.job import JobID
from flux.seg import GramState, StateChange, parse_line
from flux.testing.instance import Instance, default_flux, running_instance

from .watching import PATIENCE, ending, until

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterable, Iterator

PENDING, ACTIVE, FAILED, DONE = (
    GramState.PENDING,
    GramState.ACTIVE,
    GramState.FAILED,
    GramState.DONE,
)


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(2) as running:
        yield running


def seg(instance: Instance, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [default_flux(), "seg", *arguments],
        env=instance.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def read(process: subprocess.Popen[str]) -> StateChange:
    assert process.stdout is not None
    line = process.stdout.readline()
    change = parse_line(line.encode())
    assert change is not None, line
    return change


def past(instance: Instance, *arguments: str) -> list[StateChange]:
    done = instance.run("seg", "--no-follow", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    changes = [parse_line(line.encode()) for line in done.stdout.splitlines()]
    assert None not in changes
    return [change for change in changes if change is not None]


def of(changes: Iterable[StateChange], jobid: str) -> list[tuple[GramState, int]]:
    return [(change.state, change.exit_code) for change in changes if change.jobid == jobid]


def submitted(instance: Instance, *arguments: str) -> str:
    done = instance.run("mini", "submit", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def until_ended(instance: Instance, *jobids: str) -> None:
    for jobid in jobids:
        instance.run("job", "wait-event", jobid, "clean")


def test_jobs_as_they_live_and_as_they_lived(instance: Instance) -> None:
    began = int(time.time())
    with ending(seg(instance, "-t", str(began))) as following:
        assert following.stdin is not None
        jobs = {}
        for name, command in [
            ("well", ["true"]),
            ("badly", ["sh", "-c", "exit 7"]),
            ("killed", ["sh", "-c", "kill -9 $$"]),
            ("limit", ["-t", "0.2s", "sleep", "inf"]),
        ]:
            jobs[name] = submitted(instance, *command)
            live = [read(following) for _ in range(3)]
            assert {change.jobid for change in live} == {jobs[name]}
            assert [change.state for change in live[:2]] == [PENDING, ACTIVE]
        held = submitted(instance, "--urgency=hold", "true")
        assert read(following)[1:] == (held, PENDING, 0)
        instance.run("job", "cancel", held)
        assert read(following)[1:] == (held, FAILED, 1)
        following.stdin.close()
        assert following.wait(PATIENCE) == 0
    changes = past(instance, "-t", str(began))
    start = [(PENDING, 0), (ACTIVE, 0)]
    assert of(changes, jobs["well"]) == [*start, (DONE, 0)]
    assert of(changes, jobs["badly"]) == [*start, (FAILED, 7)]
    assert of(changes, jobs["killed"]) == [*start, (FAILED, 137)]
    assert of(changes, jobs["limit"])[-1][0] == FAILED
    assert of(changes, held) == [(PENDING, 0), (FAILED, 1)]
    times = [change.timestamp for change in changes]
    assert times == sorted(times)
    assert began <= times[0] <= times[-1] <= time.time()
    assert past(instance, "-t", "0")[-len(changes) :] == changes


def test_only_what_happened_since_the_timestamp(instance: Instance) -> None:
    job = submitted(instance, "sleep", "2")
    until_ended(instance, job)
    changes = [change for change in past(instance, "-t", "0") if change.jobid == job]
    end = changes[-1].timestamp
    assert changes[0].timestamp < end
    assert of(past(instance, "-t", str(end)), job) == [(DONE, 0)]
    assert past(instance, "-t", str(int(time.time()) + 1000)) == []
    assert past(instance) == [], "from now on"


def test_resuming_tells_what_was_not_seen(instance: Instance, tmp_path: pathlib.Path) -> None:
    began = str(int(time.time()))
    until_ended(instance, *(submitted(instance, "true") for _ in range(4)))
    lines = instance.run("seg", "--no-follow", "-t", began).stdout.splitlines(keepends=True)
    record = tmp_path / "record"
    for seen in range(1, len(lines) + 1):
        record.write_text("".join(lines[:seen]))
        done = instance.run("seg", "--no-follow", "--resume", str(record))
        assert done.stdout.splitlines(keepends=True) == lines[seen:]
    record.write_text("".join(lines)[:-3])
    done = instance.run("seg", "--no-follow", "-r", str(record))
    assert done.stdout == lines[-1], "a line without its end was not seen"


def test_forms_of_job_ids(instance: Instance) -> None:
    job = submitted(instance, "true")
    until_ended(instance, job)
    for form in ("dec", "hex", "words", "f58"):
        expected = JobID(job).encode(form)
        assert past(instance, "-t", "0", "-o", f"id={form}")[-1].jobid == expected


def test_users(instance: Instance) -> None:
    job = submitted(instance, "true")
    until_ended(instance, job)
    name = instance.run("getattr", "security.owner").stdout.strip()
    assert past(instance, "-t", "0", "-o", f"user={name}")[-1].jobid == job
    assert past(instance, "-t", "0", "-o", "user=999999") == []


def test_a_guest_is_told_of_its_own_jobs(instance: Instance) -> None:
    began = str(int(time.time()))
    guest = {"FLUX_HANDLE_ROLEMASK": "2", "FLUX_HANDLE_USERID": str(os.getuid() + 4242)}
    mine = submitted(instance, "--urgency=hold", "true")
    others = instance.environment | guest
    told = subprocess.run(
        [default_flux(), "seg", "--no-follow", "-t", began],
        env=others,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    ).stdout
    assert told == "", "no job is the guest's"
    del guest["FLUX_HANDLE_USERID"]
    follower = Instance.__new__(Instance)
    follower.environment = instance.environment | guest
    with ending(seg(follower, "-t", began)) as following:
        seen = read(following)
        while seen.jobid != mine:
            seen = read(following)
        assert seen.state == PENDING
        instance.run("job", "urgency", mine, "16")
        assert [read(following)[1:] for _ in range(2)] == [(mine, ACTIVE, 0), (mine, DONE, 0)]


@pytest.mark.parametrize("how", ["TERM", "INT", "HUP", "stdin", "stdout"])
def test_what_ends_it(instance: Instance, how: str) -> None:
    with ending(seg(instance, "-t", "0")) as following:
        assert following.stdin is not None
        assert following.stdout is not None
        assert following.stderr is not None
        job = submitted(instance, "true")
        while read(following).jobid != job:
            pass
        if how == "stdin":
            following.stdin.write("what comes in is not looked at\n")
            following.stdin.close()
        elif how == "stdout":
            following.stdout.close()  # nobody needs to write for that to be noticed
        else:
            following.send_signal(signal.Signals[f"SIG{how}"])
        expected = {"INT": 130, "stdout": 141}.get(how, 0)
        assert abs(following.wait(PATIENCE)) in (expected, expected - 128)
        assert following.stderr.read() == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-t", "soon"], "whole seconds since the epoch, not 'soon'"),
        (["-t", "-1"], "whole seconds since the epoch, not '-1'"),
        (["-t", "1.5"], "whole seconds since the epoch, not '1.5'"),
        (["-t", "9" * 30], "whole seconds since the epoch"),
        (["-o", "user"], "an option is KEY=VALUE, not 'user'"),
        (["-o", "user=no such user"], "no such user: no such user"),
        (["-o", "color=red"], "no such option: color"),
        (["-o", "id=octal"], "octal"),
        (["-s", "nosuch"], "unable to load the scheduler module: nosuch: no such file"),
        (["-r", "/proc/self"], "/proc/self: Is a directory"),
        (["-r", "/etc/passwd/x"], "/etc/passwd/x: Not a directory"),
    ],
)
def test_what_makes_no_sense_is_refused(
    instance: Instance, arguments: list[str], message: str
) -> None:
    done = instance.run("seg", *arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("flux-seg: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("to do\n", "RECORD: there is no line of the SEG protocol in it"),
        (
            "001;1;nothing-of-flux;1;0\n",
            "unable to load the scheduler module: flux: activate: ValueError: the record to resume"
            " is not of Flux jobs: nothing-of-flux is not a valid Flux jobid",
        ),
        (None, "RECORD: File or stream is not seekable."),
    ],
)
def test_records_of_something_else_are_refused(
    instance: Instance, tmp_path: pathlib.Path, text: str | None, reason: str
) -> None:
    path = tmp_path / "record"
    if text is None:
        os.mkfifo(path)
    else:
        path.write_text(text)
    with seg(instance, "--resume", str(path), "--no-follow") as process:
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (1, "")
    assert err == f"flux-seg: {reason}\n".replace("RECORD", str(path))


def test_without_an_instance() -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("FLUX_")}
    done = subprocess.run(
        [default_flux(), "seg"],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stderr) == (
        1,
        "flux-seg: flux_open: No such file or directory\n",
    )


SMALL = """
import sys
from flux.seg.host import SegHost, SegSettings
settings = SegSettings("flux", timestamp=int(sys.argv[1]), backlog_max=2000)
sys.exit(SegHost(settings, lambda sentence: print(sentence, file=sys.stderr)).run())
"""


def listeners(instance: Instance) -> int:
    with Flux(instance.uri) as handle:
        stats = handle.rpc("job-manager.stats.get").get()
    return int(stats["journal"]["listeners"])


def test_the_journal_is_let_go_while_the_reader_is_slow(instance: Instance) -> None:
    before = listeners(instance)
    source, sink = os.pipe()
    fcntl.fcntl(sink, fcntl.F_SETPIPE_SZ, 4096)
    with ending(
        subprocess.Popen(
            [sys.executable, "-c", SMALL, str(int(time.time()))],
            env=instance.environment,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.PIPE,
            text=True,
        )
    ) as process:
        os.close(sink)
        until(lambda: listeners(instance) == before + 1)
        jobs = instance.run("mini", "submit", "--cc=1-100", "true").stdout.split()
        until(lambda: listeners(instance) == before)
        more = instance.run("mini", "submit", "--cc=1-100", "false").stdout.split()
        with Flux(instance.uri) as handle:
            handle.rpc("job-manager.drain").get()
        changes: list[StateChange] = []
        with os.fdopen(source, "rb") as lines:
            while len(changes) < 600:
                change = parse_line(lines.readline())
                assert change is not None
                if change.jobid in jobs or change.jobid in more:
                    changes.append(change)
            process.terminate()
            assert lines.read() == b"", "nothing comes twice"
        assert process.stderr is not None
        assert (process.wait(PATIENCE), process.stderr.read()) == (0, "")
    start = [(PENDING, 0), (ACTIVE, 0)]
    assert all(of(changes, job) == [*start, (DONE, 0)] for job in jobs)
    assert all(of(changes, job) == [*start, (FAILED, 1)] for job in more)


def test_output_that_cannot_be_written(instance: Instance) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [default_flux(), "seg", "--no-follow", "-t", "0"],
            env=instance.environment,
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
    assert (done.returncode, done.stderr) == (
        1,
        "flux-seg: cannot write: No space left on device\n",
    )


def test_a_broker_that_is_not_there_yet(tmp_path: pathlib.Path) -> None:
    socket = tmp_path / "socket"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("FLUX_")}
    environment["FLUX_URI"] = f"local://{socket}"
    waiting = Instance.__new__(Instance)
    waiting.environment = environment
    with ending(seg(waiting, "-t", "0")) as following:
        assert following.stderr is not None
        assert following.stderr.readline().startswith("flux-seg: no broker: No such file")
        with running_instance(1, f"-o,-Slocal-uri=local://{socket}") as instance:
            submitted(instance, "true")
            assert [read(following).state for _ in range(3)] == [PENDING, ACTIVE, DONE]
            assert following.stderr.readline() == "flux-seg: the broker is there again\n"
        assert following.stderr.readline().startswith("flux-seg: no broker: ")
        following.terminate()
        assert following.wait(PATIENCE) == 0


def test_purged_jobs_are_read_from_the_archive(tmp_path: pathlib.Path) -> None:
    (tmp_path / "flux.toml").write_text("[archive]\nperiod = '0.1s'\n")
    with running_instance(1, f"-o,--config-path={tmp_path}") as instance:
        jobs = [submitted(instance, command) for command in ("true", "false", "true")]
        until_ended(instance, *jobs)
        lines = past(instance, "-t", "0")
        assert len(lines) == 9
        path = json.loads(instance.run("module", "stats", "job-archive").stdout)["path"]

        def archived() -> int:
            with contextlib.closing(sqlite3.connect(path)) as database:
                (count,) = database.execute("SELECT count(*) FROM jobs").fetchone()
            return int(count)

        until(lambda: archived() == 3)
        purged = instance.run("job", "purge", "--force", "--num-limit=1")
        assert "purged 2" in purged.stdout, purged
        assert past(instance, "-t", "0") == lines
        assert len(past(instance, "-t", "0", "-o", "archive=")) == 3
        done = instance.run("seg", "-t", "0", "--no-follow", "-o", "archive=/dev/null")
        assert len(done.stdout.splitlines()) == 3
        assert done.stderr.startswith("flux-seg: job archive: /dev/null: ")
