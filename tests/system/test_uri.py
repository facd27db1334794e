"""`flux uri`: the instance of a job, of a process, of a job of Slurm or LSF."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, default_flux, running_instance
from flux.uri.foreign_jobs import NOT_FOUND
from tests.system.slurm import missing, running_slurm
from tests.system.watching import PATIENCE, ending, line

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(1) as running:
        yield running


def said(instance: Instance, *words: str, **variables: str) -> tuple[int, str]:
    """Return the exit code of a command, and what it printed or its sentence."""
    done = subprocess.run(
        [instance.flux, *words],
        env=instance.environment | variables,
        cwd=instance.home,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, (done.stdout or done.stderr).strip()


def test_the_instance_of_a_process(instance: Instance) -> None:
    with ending(subprocess.Popen(["sleep", "60"], env=instance.environment)) as child:
        assert said(instance, "uri", f"pid:{child.pid}") == (0, instance.uri)
    assert said(instance, "uri", f"pid:{instance.process.pid}") == (0, instance.uri)
    clean = {name: text for name, text in os.environ.items() if not name.startswith("FLUX_")}
    with ending(subprocess.Popen(["sleep", "60"], env=clean)) as child:
        assert said(instance, "uri", f"pid:{child.pid}") == (
            1,
            f"flux-uri: pid:{child.pid}: no FLUX_URI found in the environment of the process",
        )


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("pid:x", "pid:x: not a process id"),
        ("pid:0", "pid:0: not a process id"),
        ("pid:4194304", "pid:4194304: No such file or directory"),
        ("slurm:x", "slurm:x: 'x' is not a job id"),
        ("slurm:1 2", "slurm:1 2: '1 2' is not a job id"),
        ("lsf:", "lsf:: '' is not a job id"),
        ("pbs:1", "pbs:1: neither a job id nor a URI"),
        ("1?there", "1?there: `there' is neither local nor remote"),
        ("local:///x?there", "local:///x?there: `there' is neither local nor remote"),
    ],
)
def test_what_names_no_instance(instance: Instance, target: str, sentence: str) -> None:
    assert said(instance, "uri", target) == (1, f"flux-uri: {sentence}")
    assert said(instance, "proxy", target, "true") == (1, f"flux-proxy: {sentence}")


def test_managers_that_are_not_there(instance: Instance, tmp_path: pathlib.Path) -> None:
    nothing = str(tmp_path)
    assert said(instance, "uri", "slurm:1", PATH=nothing) == (
        1,
        "flux-uri: slurm:1: squeue: No such file or directory",
    )
    assert said(instance, "uri", "lsf:1", PATH=nothing) == (
        1,
        "flux-uri: lsf:1: bjobs: No such file or directory",
    )


def test_the_form_of_a_uri(instance: Instance) -> None:
    path = instance.uri.removeprefix("local://")
    remote = f"ssh://{os.uname().nodename}{path}"
    assert said(instance, "uri", f"{instance.uri}?remote") == (0, remote)
    assert said(instance, "uri", f"{remote}?local") == (0, instance.uri)
    assert said(instance, "uri", remote, FLUX_URI_RESOLVE_LOCAL="1") == (0, instance.uri)


def test_a_job_is_waited_for_until_it_is_an_instance(instance: Instance) -> None:
    job = said(instance, "mini", "batch", "-n1", "--wrap", "sleep", "600")[1]
    code, uri = said(instance, "uri", "--wait", f"{job}?local")
    assert (code, uri[:8]) == (0, "local://")
    assert uri != instance.uri
    assert said(instance, "proxy", job, "flux", "getattr", "instance-level") == (0, "1")
    assert said(instance, "job", "cancel", job)[0] == 0


def test_a_job_that_ends_before_it_is_one(instance: Instance) -> None:
    job = said(instance, "mini", "submit", "true")[1]
    assert said(instance, "uri", "--wait", job) == (
        1,
        f"flux-uri: {job}: the job has ended, and was no Flux instance",
    )


# Slurm


@pytest.fixture(scope="module")
def slurm() -> Iterator[dict[str, str]]:
    reason = missing()
    if reason:
        pytest.skip(reason)
    with running_slurm() as environment:
        clean = {name: text for name, text in environment.items() if not name.startswith("FLUX_")}
        folder = str(default_flux().parent)
        yield clean | {"PATH": f"{folder}:{clean['PATH']}", "FLUX_URI": "local:///another"}


def asked(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


READY = "echo $SLURM_JOB_ID $FLUX_URI; read line"


def test_an_instance_in_a_job_of_slurm(slurm: dict[str, str]) -> None:
    argv = ["srun", "-n1", str(default_flux()), "start", "sh", "-c", READY]
    pipe = subprocess.PIPE
    with ending(subprocess.Popen(argv, env=slurm, stdin=pipe, stdout=pipe, text=True)) as job:
        assert job.stdin is not None
        jobid, uri = line(job).split()
        remote = f"ssh://{os.uname().nodename}{uri.removeprefix('local://')}\n"
        assert asked(slurm, "flux", "uri", f"slurm:{jobid}").stdout == remote
        assert asked(slurm, "flux", "uri", "--local", f"slurm:{jobid}").stdout == f"{uri}\n"
        inside = asked(slurm, "flux", "proxy", f"slurm:{jobid}", "flux", "getattr", "size")
        assert (inside.stdout, inside.stderr) == ("1\n", "")
        step = ["srun", "--overlap", f"--jobid={jobid}", "-n1", "flux", "uri"]
        assert asked(slurm, *step, f"slurm-node:{jobid}").stdout == f"{uri}\n"
        job.stdin.write("\n")
        job.stdin.close()
        assert job.wait(PATIENCE) == 0
    ended = asked(slurm, "flux", "uri", f"slurm:{jobid}")
    assert ended.stderr in (
        f"flux-uri: slurm:{jobid}: the job has ended, or there is no such job\n",
        f"flux-uri: slurm:{jobid}: the job does not run, it is COMPLETED\n",
        f"flux-uri: slurm:{jobid}: the job does not run, it is COMPLETING\n",
    )


def test_a_job_of_slurm_without_an_instance(slurm: dict[str, str]) -> None:
    argv, pipe = ["srun", "-n1", "sh", "-c", READY], subprocess.PIPE
    with ending(subprocess.Popen(argv, env=slurm, stdin=pipe, stdout=pipe, text=True)) as job:
        assert job.stdin is not None
        jobid = line(job).split()[0]
        done = asked(slurm, "flux", "uri", f"slurm:{jobid}")
        assert (done.returncode, done.stderr) == (
            1,
            f"flux-uri: slurm:{jobid}: no Flux instance is found in the job, or it is not ready"
            " yet\n",
        )
        job.stdin.write("\n")
        job.stdin.close()
        assert job.wait(PATIENCE) == 0
    done = asked(slurm, "flux", "uri", "slurm:999999")
    assert done.returncode == 1
    assert done.stderr.startswith("flux-uri: slurm:999999: ")
    assert len(done.stderr.splitlines()) == 1


# LSF: its commands are imitated, nothing else is


def script(folder: pathlib.Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def test_an_instance_in_a_job_of_lsf(instance: Instance, tmp_path: pathlib.Path) -> None:
    script(tmp_path, "bjobs", 'echo "RUN 4*far.example:4*other"')
    script(tmp_path, "ssh", 'echo "$1" >>$LOG; shift; exec "$@"')
    variables = {"PATH": f"{tmp_path}:{instance.environment['PATH']}", "LOG": f"{tmp_path}/log"}
    ready = 'echo "$FLUX_URI"; read line'
    argv, pipe = [str(instance.flux), "start", "sh", "-c", ready], subprocess.PIPE
    environment = instance.environment | {"LSB_JOBID": "77"}
    with ending(subprocess.Popen(argv, env=environment, stdin=pipe, stdout=pipe, text=True)) as job:
        assert job.stdin is not None
        uri = line(job).strip()
        remote = f"ssh://{os.uname().nodename}{uri.removeprefix('local://')}"
        assert said(instance, "uri", "lsf:77", **variables) == (0, remote)
        assert said(instance, "uri", "lsf:78", **variables) == (
            1,
            "flux-uri: lsf:78: no Flux instance is found in the job, or it is not ready yet",
        )
        job.stdin.close()
        job.wait(PATIENCE)
    assert (tmp_path / "log").read_text() == "far.example\nfar.example\n"


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("echo 'Job <5> is not found' >&2; exit 255", "Job <5> is not found"),
        ("echo 'Job <5> is not found' >&2", "Job <5> is not found"),
        ("echo 'PEND -'", "the job does not run, it is PEND"),
        ("exit 3", "bjobs failed"),
        ("true", "the job does not run, it is unknown"),
    ],
)
def test_jobs_that_lsf_does_not_run(
    instance: Instance, tmp_path: pathlib.Path, body: str, sentence: str
) -> None:
    script(tmp_path, "bjobs", body)
    assert said(instance, "uri", "lsf:5", PATH=f"{tmp_path}:/usr/bin:/bin") == (
        1,
        f"flux-uri: lsf:5: {sentence}",
    )


def test_the_search_on_a_node_needs_no_instance() -> None:
    done = subprocess.run(
        [default_flux(), "uri", "lsf-node:123456789"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == NOT_FOUND
    assert done.stderr == "flux-uri: lsf:123456789: no Flux instance is found in the job\n"


def test_paths_lead_to_the_outermost_instance_and_back(instance: Instance) -> None:
    uri = instance.environment["FLUX_URI"]
    for path in ("/", ".", "..", "/.", "jobid:."):
        assert said(instance, "uri", path) == (0, uri)


def test_python_finds_an_instance_as_the_command_does(instance: Instance) -> None:
    from flux.uri import FluxURIResolver

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLUX_URI", instance.environment["FLUX_URI"])
        resolver = FluxURIResolver()
        assert resolver.resolve("/").local == instance.environment["FLUX_URI"]
        with pytest.raises(ValueError, match="f1: no such job"):
            resolver.resolve("f1")
