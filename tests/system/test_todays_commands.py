"""Today's commands about jobs, on an instance of two brokers: what they print, do and exit with."""

from __future__ import annotations

import json
import tarfile
from typing import TYPE_CHECKING

import psutil
import pytest

from flux.testing.instance import Instance, running_instance

from .saying import flux, said

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(2) as running:
        yield running


# Submission


def test_tasks_per_resource(instance: Instance) -> None:
    for options, tasks in (
        (["-N2", "--tasks-per-node=2"], 4),
        (["--cores=2", "--tasks-per-core=2"], 4),
        (["-N2"], 2),
        (["--cores=2", "--tasks-per-node=1"], 1),
    ):
        found = said(instance, "run", "-l", *options, "echo", "hi").splitlines()
        assert sorted(found) == [f"{task}: hi" for task in range(tasks)]


def test_submission_waits_for_an_event(instance: Instance) -> None:
    held = ["--urgency=hold", "--wait-event=depend"]
    jobid = said(instance, "submit", *held, "true")
    assert said(instance, "jobs", "-no{status}", jobid) == "PENDING"
    flux(instance, "cancel", jobid)
    # Many are followed by the journal, few by their eventlogs.
    flux(instance, "submit", "--cc=1-50", "--quiet", "--wait-event=start", "true")
    done = flux(instance, "submit", "--wait-event=never", "false", code=1)
    assert done.stdout.startswith("ƒ")


def test_run_leaves_at_an_event(instance: Instance) -> None:
    flux(instance, "run", "--wait-event=start", "--job-name=left", "sleep", "600", code=1)
    assert said(instance, "pgrep", "-o{name}", "-n", "^left$") == "left"
    flux(instance, "pkill", "--wait", "^left$")


def test_input_for_some_tasks(instance: Instance) -> None:
    script = f"echo hello | {instance.flux} run -n2 -l --input=1 cat"
    assert said(instance, "exec", "-r0", "sh", "-c", script) == "1: hello"


def test_directory_and_buffering(instance: Instance, tmp_path: pathlib.Path) -> None:
    assert said(instance, "run", f"--cwd={tmp_path}", "-u", "pwd") == str(tmp_path)


def test_an_instance_with_a_configuration_is_dumped(
    instance: Instance, tmp_path: pathlib.Path
) -> None:
    script = tmp_path / "batch.sh"
    script.write_text(
        "#!/bin/sh\n#flux: -N2 --exclusive\n#flux: --conf=tbon.keepalive_count=7\n"
        f"#flux: --output={tmp_path}/out --dump={tmp_path}/kvs.tgz\n"
        "flux config get\nflux kvs put kept=1\nflux uptime\n"
    )
    jobid = said(instance, "batch", str(script))
    assert said(instance, "jobs", "-no{name}", jobid) == str(script)
    flux(instance, "job", "status", jobid)
    found = (tmp_path / "out").read_text().splitlines()
    assert json.loads(found[0]) == {"tbon": {"keepalive_count": 7}}
    assert found[1].endswith("depth 1,  size 2")
    with tarfile.open(tmp_path / "kvs.tgz") as archive:
        assert "kept" in archive.getnames()


# Cancel, pgrep, pkill


def test_cancel(instance: Instance) -> None:
    ids = said(instance, "submit", "--cc=1-3", "--urgency=hold", "true").split()
    done = flux(instance, "cancel", "--dry-run", *ids)
    assert done.stderr == "flux-cancel: Would cancel 3 jobs\n"
    flux(instance, "cancel", "-m", "not now", ids[0])
    flux(instance, "job", "wait-event", "-q", ids[0], "clean")
    assert said(instance, "jobs", "-ano{exception.note}", ids[0]) == "not now"
    done = flux(instance, "cancel", *ids, code=1)
    assert done.stderr == f"flux-cancel: ERROR: {ids[0]}: job is inactive\n"
    held = said(instance, "submit", "--cc=1-2", "--urgency=hold", "true").split()
    assert flux(instance, "cancel", "--all", "-n").stderr == "flux-cancel: Would cancel 2 jobs\n"
    done = flux(instance, "cancel", "--all", "--states=run")
    assert done.stderr == "flux-cancel: Matched 0 jobs\n"
    assert flux(instance, "cancel", "--all", "--states=run", "-q").stderr == ""
    done = flux(instance, "cancel", "--all")
    assert done.stderr == "flux-cancel: Canceled 2 jobs (0 errors)\n"
    flux(instance, "job", "status", *held, code=1)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ([], 1, "No target jobs were provided"),
        (["--all", "f1"], 1, "Do not specify a list of jobids with --all,--user,--states options"),
        (["f1"], 1, "ƒ1: unknown job id"),
        (["xxx"], 2, "argument JOBID...: invalid JobID value: 'xxx'"),
        (["--states=inactive"], 1, "Invalid state inactive specified"),
        (["--user=nosuch"], 1, "Invalid user nosuch specified"),
    ],
)
def test_what_cannot_be_canceled(
    instance: Instance, words: list[str], code: int, message: str
) -> None:
    assert f"{message}\n" in flux(instance, "cancel", *words, code=code).stderr


def test_pgrep_and_pkill(instance: Instance) -> None:
    ids = [
        said(instance, "submit", "--urgency=hold", f"--job-name=grep{name}", "true")
        for name in ("one", "two", "three")
    ]
    assert said(instance, "pgrep", "^grep").split() == ids
    assert said(instance, "pgrep", "greptwo") == ids[1]
    assert said(instance, "pgrep", f"{ids[0]}..{ids[1]}").split() == ids[:2]
    assert said(instance, "pgrep", "-c1", "^grep") == ids[0]
    rows = said(instance, "pgrep", "-o{name:>10} {urgency}", "greptwo").splitlines()
    assert rows == ["NAME URG", "   greptwo 0"]
    assert json.loads(said(instance, "pgrep", "--json", "greptwo"))["name"] == "greptwo"
    flux(instance, "pgrep", "nosuchjob", code=1)
    flux(instance, "pgrep", "[", code=2)
    flux(instance, "pgrep", "-f", "running", "^grep", code=1)
    assert flux(instance, "pkill", "-n", "^grep").stderr == "flux-pkill: Would cancel 3 jobs\n"
    done = flux(instance, "pkill", "--wait", "-m", "gone", "^grept")
    assert done.stderr == "flux-pkill: INFO: Canceled 2 jobs\n"
    rows = said(instance, "pgrep", "-an", "-o{name}:{exception.note}", "^grep").splitlines()
    assert sorted(rows) == ["grepone:", "grepthree:gone", "greptwo:gone"]
    flux(instance, "pkill", "--wait", "^grep")
    flux(instance, "pkill", "^grep", code=1)


# Watch


def test_watch(instance: Instance) -> None:
    words = ["sh", "-c", "echo out; echo err >&2; exit 3"]
    ids = said(instance, "submit", "--wait", "--cc=1-2", *words, code=3).split()
    done = flux(instance, "watch", *ids, code=3)
    assert (done.stdout, done.stderr) == ("out\nout\n", "err\nerr\n")
    labeled = said(instance, "watch", "-l", *ids, code=3).splitlines()
    assert sorted(labeled) == sorted(f"{jobid}: 0: out" for jobid in ids)
    assert said(instance, "watch", "-f", "failed", "-c1", code=3) == "out"
    done = flux(instance, "watch", "f1")
    assert done.stderr == (
        "flux-watch: ERROR: JobID f1 unknown\nflux-watch: INFO: No matching jobs\n"
    )
    done = flux(instance, "watch", code=1)
    assert done.stderr == "flux-watch: ERROR: At least one job selection option is required\n"
    failed = said(instance, "submit", "nosuchprogram")
    assert "nosuchprogram" in flux(instance, "watch", failed, code=127).stderr
    assert flux(instance, "watch", "--raw", failed, code=127).stderr == ""


def test_watch_follows_what_still_runs(instance: Instance) -> None:
    held = said(instance, "submit", "--urgency=hold", "echo", "later")
    flux(instance, "exec", "-r0", "sh", "-c", f"{instance.flux} job urgency {held} 16 &")
    assert said(instance, "watch", "--active") in ("later", "")
    assert said(instance, "watch", "-v", held).startswith("later")


# What there is


def test_last_jobs(instance: Instance) -> None:
    ids = said(instance, "submit", "--cc=1-3", "--wait", "true").split()
    newest = ids[::-1]
    assert said(instance, "job", "last").split() == newest[:1]
    assert said(instance, "job", "last", "3").split() == newest
    assert said(instance, "job", "last", "[0:3:2]").split() == newest[::2]
    assert json.loads(said(instance, "job", "last", "--json"))["f58"] == newest[0]
    done = flux(instance, "job", "last", "[-1]", code=1)
    assert done.stderr == "flux-job: could not parse python-style slice expression\n"


def test_time_that_is_left(instance: Instance) -> None:
    assert said(instance, "run", "-t", "1", "flux", "job", "timeleft") in ("58", "59", "60")
    assert said(instance, "run", "-t", "90", "flux", "job", "timeleft", "-H") == "1.5h"
    assert said(instance, "job", "timeleft") == "4294967295"
    assert json.loads(said(instance, "job", "timeleft", "--json")) == {"seconds": None}
    assert flux(instance, "job", "timeleft", "f1", code=1).stderr == "flux-job: f1: no such jobid\n"


def test_taskmaps(instance: Instance) -> None:
    plain = said(instance, "submit", "--wait", "-N2", "-n4", "true")
    dealt = said(instance, "submit", "--wait", "-N2", "-n4", "--taskmap=cyclic", "true")
    assert said(instance, "job", "taskmap", plain) == "[[0,2,2,1]]"
    assert said(instance, "job", "taskmap", "--to=raw", dealt) == "0,2;1,3"
    assert json.loads(said(instance, "job", "taskmap", "--json", dealt))["tasks"][0] == [0, 2]
    assert said(instance, "job", "taskmap", "--taskids=1", dealt) == "1,3"
    assert said(instance, "job", "taskmap", "--ntasks=1", plain) == "2"
    assert said(instance, "job", "taskmap", "--nodeid=2", dealt) == "0"
    assert said(instance, "job", "taskmap", "--to=pmi", plain) == "(vector,(0,2,2))"
    assert said(instance, "job", "taskmap", "(vector,(0,2,2))") == "[[0,2,2,1]]"
    hosts = said(instance, "job", "taskmap", "--to=hosts", plain).splitlines()
    assert [row.partition(": ")[2] for row in hosts] == ["0-1", "2-3"]
    done = flux(instance, "job", "taskmap", "--hostname=1", "[[0,1,2,1]]", code=1)
    assert done.stderr == "flux-job: taskmap: can't use --hostname without a jobid\n"


def test_processes_of_tasks(instance: Instance) -> None:
    jobid = said(instance, "submit", "-N2", "-n4", "--taskmap=cyclic", "sleep", "600")
    pairs = said(instance, "job", "hostpids", jobid).split(",")
    assert len({pair.rpartition(":")[2] for pair in pairs}) == 4
    for pair in pairs:
        assert psutil.Process(int(pair.rpartition(":")[2])).cmdline() == ["sleep", "600"]
    assert said(instance, "job", "hostpids", "-d ", "-r1-2", jobid).split() == pairs[1:3]
    (row,) = said(instance, "job", "hostpids", "--json", "-r3", jobid).splitlines()
    assert json.loads(row)["rank"] == 3
    flux(instance, "cancel", jobid)
    flux(instance, "job", "wait-event", "-q", jobid, "clean")
    done = flux(instance, "job", "hostpids", jobid, code=1)
    assert done.stderr == f"flux-job: hostpids: job {jobid} is inactive\n"
    held = said(instance, "submit", "--urgency=hold", "true")
    done = flux(instance, "job", "hostpids", "--timeout=0.1s", held, code=1)
    assert done.stderr == "flux-job: hostpids: timeout waiting for shell.start event\n"
    flux(instance, "cancel", held)


def test_attaching_leaves_at_an_event(instance: Instance) -> None:
    jobid = said(instance, "submit", "sleep", "600")
    flux(instance, "job", "attach", "--wait-event=start", jobid, code=1)
    flux(instance, "cancel", jobid)
    script = f"echo hello | {instance.flux} job attach -l --stdin-ranks=1 {{}}"
    waits = said(instance, "submit", "-n2", "cat")
    assert said(instance, "exec", "-r0", "sh", "-c", script.format(waits)) == "1: hello"
    done = flux(instance, "job", "attach", "-ix", waits, code=1)
    assert done.stderr == "flux-job: invalid value --stdin-ranks=x\n"


# Formats with a name


def test_formats_with_a_name(instance: Instance) -> None:
    flux(instance, "run", "--job-name=named", "true")
    for name in ("long", "deps", "endreason"):
        heading, *rows = said(instance, "jobs", "-a", "-o", name).splitlines()
        assert heading.split()[0] == "JOBID"
        assert any(" named " in row for row in rows)
    old, new = (said(instance, "resource", "list", one).split() for one in ("-v", "-orlist"))
    assert old == new
    for name in ("policy", "nodes"):
        # There is one queue, without a name: that column goes.
        heading = said(instance, "queue", "list", "-o", name).splitlines()[0]
        assert heading.split()[:2] == ["EN", "ST"]
    ids = said(instance, "pgrep", "-a", "^named$").split()
    assert said(instance, "pgrep", "-an", "-o", "deps", "^named$").split()[0] in ids


def test_jobs_without_headings_have_todays_columns(instance: Instance) -> None:
    instance.run("submit", "--wait", "true")
    bare = instance.run("jobs", "-a", "--no-header")
    assert bare.returncode == 0
    assert "JOBID" not in bare.stdout
    assert bare.stdout.count("true") >= 1
    assert bare.stdout == instance.run("jobs", "-a", "--suppress-header", "-o", "today").stdout


def test_events_of_ones_own(instance: Instance) -> None:
    jobid = flux(instance, "submit", "sleep", "inf").stdout.strip()
    done = flux(instance, "post-job-event", jobid, "note", "a=b", "c=1", "d=x=y")
    assert (done.stdout, done.stderr) == ("", "")
    log = flux(instance, "job", "eventlog", jobid).stdout.splitlines()
    assert log[-1].partition(" ")[2] == 'note a="b" c=1 d="x=y"'
    for words, reason in (
        ((jobid, "note", "a"), "Missing required value for key a"),
        ((jobid, "finish", "status=0"), "the event finish is the job manager's own"),
        (("xyz", "note"), "xyz is not a valid Flux jobid"),
        (("1234", "note"), "No such job 1234"),
    ):
        done = flux(instance, "post-job-event", *words, code=1)
        assert done.stderr == f"flux-post-job-event: ERROR: {reason}\n"
    assert flux(instance, "cancel", jobid).returncode == 0
