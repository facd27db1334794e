"""Options that today's flux-core has and 0.29 has not, on a live instance of two brokers."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, default_flux, running_instance

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(2) as running:
        yield running


def lines(instance: Instance, *args: str) -> list[str]:
    done = instance.run(*args)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def start(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [default_flux(), "start", *args], capture_output=True, text=True, timeout=100, check=False
    )


def test_jobs_of_instances_within(instance: Instance, tmp_path: pathlib.Path) -> None:
    script = tmp_path / "inner.sh"
    script.write_text("#!/bin/sh\nflux run --job-name=within true\nexec sleep 100\n")
    outer = lines(instance, "batch", "-n1", f"--cwd={tmp_path}", "--job-name=outer", str(script))[0]
    try:
        done = instance.run("uri", "--wait", "--local", outer)
        assert done.returncode == 0, done.stderr
        environ = {**instance.environment, "FLUX_URI": done.stdout.strip()}
        subprocess.run(
            [default_flux(), "run", "--job-name=other", "true"], env=environ, check=True, timeout=60
        )
        shown = lines(instance, "jobs", "-a", "-R", "-n", "-o", "{name}", outer)
        assert shown[:3] == ["outer", "", f"{outer}:"]
        assert "other" in shown[3:]
        assert "other" not in lines(instance, "jobs", "-a", "-R", "-L0", "-n", "-o", "{name}")
        whole = json.loads(lines(instance, "jobs", "-a", "-R", "--json")[0])
        (tree,) = (job for job in whole["jobs"] if job["name"] == "outer")
        assert "other" in [job["name"] for job in tree["jobs"]]
        assert tree["uri"].startswith(("ssh://", "local://"))
        named = lines(instance, "jobs", "-a", "-R", "-n", "-o", "{name}", "--name=other")
        assert named == []  # the instance itself is not among them
    finally:
        instance.run("cancel", outer)


def test_an_instance_that_starts_has_no_jobs_to_tell(
    instance: Instance, tmp_path: pathlib.Path
) -> None:
    go = tmp_path / "go"
    rc1 = f"until test -e {go}; do sleep 0.05; done"
    starts = ("flux", "start", f"-Sbroker.rc1_path={rc1}", "-Sbroker.rc3_path=", "true")
    job = lines(instance, "submit", *starts)[0]
    try:
        lines(instance, "uri", "--wait", job)
        done = instance.run("jobs", "-R", "-n", "-o", "{name}", job)
        assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["flux", f"{job}:"], "")
    finally:
        go.touch()
    lines(instance, "job", "attach", job)


def test_jobs_by_name_place_time_and_order(instance: Instance) -> None:
    for name in ("beta", "alpha"):
        lines(instance, "run", f"--job-name={name}", "true")
    listed = ("jobs", "-a", "-n", "-o", "{name}")
    assert lines(instance, *listed, "--name=alpha") == ["alpha"]
    assert lines(instance, *listed[:-2], "-o", "{name}", "--since=-1h", "--sort=name")[:1]
    ordered = [
        name for name in lines(instance, *listed, "--sort=name") if name in ("alpha", "beta")
    ]
    assert ordered == ["alpha", "beta"]
    there = lines(instance, *listed, "--include=0-1")
    assert {"alpha", "beta"} <= set(there)
    assert lines(instance, *listed, "--include=nowhere") == []
    assert lines(instance, *listed, "--name=alpha", "-w3") == ["al+"]


def test_logs_for_people(instance: Instance) -> None:
    jobid = lines(instance, "submit", "true")[0]
    followed = lines(instance, "job", "eventlog", "-H", "-F", jobid)
    assert followed[0].startswith("[")
    assert " submit " in followed[0]
    assert followed[-1].endswith(" clean")
    waited = lines(instance, "job", "wait-event", "-W", "-p", "exec", jobid, "shell.init")
    assert " shell.init " in waited[0]
    assert json.loads(lines(instance, "job", "list-ids", "-W", "inactive", jobid)[0])["state"] == 64
    assert lines(instance, "dmesg", "-H", "-d")[0].startswith("[")
    assert "--human" in instance.run("dmesg", "-d").stderr


def test_a_drained_rank_is_updated_or_overwritten(instance: Instance) -> None:
    def drained() -> list[str]:
        return lines(instance, "resource", "drain", "-n", "-o", "{timestamp} {reason}")

    lines(instance, "resource", "drain", "1", "first")
    first = drained()
    lines(instance, "resource", "drain", "-u", "1", "second")
    assert drained() == first
    lines(instance, "resource", "drain", "-f", "1", "third")
    assert drained() == [first[0].replace("first", "third")]
    assert lines(instance, "resource", "drain", "-n", "-i", "0") == []
    assert "[Errno" in instance.run("resource", "undrain", "0").stderr
    lines(instance, "resource", "undrain", "-u", "0-1", "mended")
    assert drained() == []
    assert 'reason="mended"' in lines(instance, "resource", "eventlog")[-1]
    refused = instance.run("resource", "drain", "-f", "-u", "1", "x")
    assert "Only one of --force and --update" in refused.stderr


def test_resources_of_chosen_ranks(instance: Instance) -> None:
    found = json.loads(lines(instance, "resource", "R", "-i", "1")[0])
    assert [part["rank"] for part in found["execution"]["R_lite"]] == ["1"]
    assert lines(instance, "resource", "list", "-n", "-i", "1", "-o", "{state} {ranks}") == [
        "free 1"
    ]
    every = lines(instance, "resource", "list", "-n", "-i1", "--no-skip-empty", "-o", "{state}")
    assert every == ["free", "allocated", "down"]
    assert lines(instance, "resource", "status", "-n", "-i1", "-o", "{state} {ranks}") == [
        "avail 1"
    ]
    assert lines(instance, "resource", "status", "-n", "-s", "drain", "--skip-empty") == []


def test_start_with_attributes_and_settings(tmp_path: pathlib.Path) -> None:
    done = start(
        "--conf=tbon.tcp_user_timeout=20s",
        "--conf=resource.noverify=true",
        "-S",
        "log-stderr-level=3",
        "flux config reload && flux config get && flux getattr log-stderr-level",
    )
    tables, level = done.stdout.splitlines()
    assert json.loads(tables) == {
        "tbon": {"tcp_user_timeout": "20s"},
        "resource": {"noverify": True},
    }
    assert level == "3"
    wrong = start("--conf=tbon.nope=1", "true")
    assert (wrong.returncode, "tbon.nope: unknown key" in wrong.stderr) == (1, True)
    named = start("--sysconfig", "-c", str(tmp_path), "flux getattr config.path")
    assert named.stdout == f"{tmp_path}\n"
    warning = f"flux-start: Warning: overriding recovery/--sysconfig path with {tmp_path}\n"
    assert named.stderr == warning


HOUSEKEEPING = """
[job-manager.housekeeping]
command = ["sh", "-c", '''
echo $FLUX_JOB_ID $FLUX_JOB_RANKS >>{log}
test -e {gate}.$(flux getattr rank) || sleep 100
''']
release-after = "1ms"
"""


def test_what_runs_when_a_job_is_over_holds_its_nodes(tmp_path: pathlib.Path) -> None:
    config, log, gate = tmp_path / "h.toml", tmp_path / "log", tmp_path / "gate"
    config.write_text(HOUSEKEEPING.format(log=log, gate=gate))
    (tmp_path / "gate.0").touch()  # it ends at once there
    script = """
        flux run -N2 true
        flux housekeeping list
        until test "$(flux resource list -n -s free -o '{ranks}')" = 0; do sleep 0.1; done
        flux housekeeping list -n -o '{id.f58} {ranks} {pending.ranks} {nnodes}'
        flux job last
        flux resource status -n -s housekeeping -o '{state} {ranks}'
        flux module reload sched-simple
        flux resource list -n -s allocated -o '{ranks}'
        flux housekeeping list --json -i 0
        flux housekeeping kill -j $(flux job last) -s KILL -t 1
        until test "$(flux resource list -n -s free -o '{ranks}')" = 0-1; do sleep 0.1; done
        flux housekeeping list
        flux housekeeping kill
        """
    done = start("-s2", f"--config-path={config}", "sh", "-c", script)
    shown = done.stdout.splitlines()
    assert shown[0].split() == ["JOBID", "NNODES", "#ACTIVE", "RUNTIME", "NODELIST"]
    jobid, held, pending, nnodes = shown[2].split()
    assert (held, pending, nnodes) == ("1", "1", "1")
    assert shown[3] == jobid
    assert shown[4] == "housekeeping 1"
    assert shown[5] == "1"  # a scheduler that comes later knows what is held
    assert shown[6].split()[0] == "JOBID"
    assert len(shown) == 7
    assert "specify at least one of" in done.stderr
    assert [line.split()[1] for line in log.read_text().splitlines()] == ["0-1", "0-1"]


def test_a_command_that_tidies_up_is_checked() -> None:
    wrong = start("--conf=job-manager.housekeeping.command=true", "true")
    assert "job-manager.housekeeping.command" in wrong.stderr
    assert wrong.returncode == 1


def test_key_value_store_and_queues(instance: Instance) -> None:
    root = lines(instance, "kvs", "put", "-b", "options.a=1")
    assert root == lines(instance, "kvs", "getroot", "-b")
    lines(instance, "kvs", "eventlog", "append", "-t", "90", "options.log", "one")
    lines(instance, "kvs", "eventlog", "append", "-t", "90.5", "options.log", "two")
    first, second = lines(instance, "kvs", "eventlog", "get", "-H", "options.log")
    assert first.endswith(":01] one")
    assert second == "[  +0.500000] two"
    shown = lines(instance, "kvs", "eventlog", "wait-event", "-H", "-v", "options.log", "two")
    assert shown == [first, second]
    assert lines(instance, "queue", "disable", "--quiet", "-m", "a test") == []
    assert lines(instance, "queue", "enable", "--quiet") == []
    lines(instance, "cron", "interval", "-N", "named", "1h", "true")
    assert "named" in instance.run("cron", "list").stdout
