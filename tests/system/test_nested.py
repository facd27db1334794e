"""Instances in instances: what the inner one knows of the outer one, and the other way round."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def outer() -> Iterator[Instance]:
    with running_instance(2) as running:
        yield running


def words(outer: Instance, *command: str) -> list[str]:
    run = outer.run(*command)
    assert run.returncode == 0, run.stderr
    return run.stdout.split()


@pytest.mark.parametrize("size", [[], ["-s1"], ["-s3"]])
def test_an_instance_that_was_merely_started_in_another_knows_it(
    outer: Instance, size: list[str]
) -> None:
    script = "flux getattr parent-uri; flux getattr instance-level; flux -p getattr size"
    assert words(outer, "start", *size, "sh", "-c", script) == [outer.uri, "0", "2"]


def test_every_broker_of_it_does(outer: Instance) -> None:
    found = words(outer, "start", "-s3", "flux", "exec", "flux", "getattr", "parent-uri")
    assert found == [outer.uri] * 3


def test_it_is_not_the_job_that_it_was_started_in(outer: Instance) -> None:
    script = "flux getattr jobid || flux getattr parent-kvs-namespace || flux getattr size"
    inner = f"flux start -s3 sh -c '{script}'"
    assert words(outer, "mini", "run", "sh", "-c", inner) == ["3"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [("-p", "3"), ("-pp", "2"), ("-p -p", "2"), ("--parent --parent", "2"), ("-ppppp", "2")],
)
def test_parent_goes_up_as_many_levels_as_it_is_given(
    outer: Instance, options: str, expected: str
) -> None:
    inner = f"flux start flux {options} getattr size"
    assert words(outer, "start", "-s3", inner) == [expected]


def test_levels_count_jobs(outer: Instance) -> None:
    inner = "flux getattr instance-level; flux -p getattr instance-level"
    middle = f"flux mini run flux start sh -c '{inner}'"
    assert words(outer, "mini", "run", "flux", "start", middle) == ["2", "1"]


def test_programs_of_it_reach_it_and_not_the_outer_one(outer: Instance) -> None:
    script = "flux mini run sh -c 'test $FLUX_URI = $(flux getattr local-uri)' && flux getattr size"
    assert words(outer, "start", "-s1", script) == ["1"]


@pytest.mark.parametrize("rc1", ["-o,-Sbroker.rc1_path=", "-o,-Sbroker.rc1_path=true", "-v"])
def test_a_job_that_is_an_instance_leaves_its_uris_in_the_kvs(outer: Instance, rc1: str) -> None:
    script = "flux getattr local-uri"
    [jobid] = words(outer, "mini", "submit", "flux", "start", rc1, "sh", "-c", script)
    [uri] = words(outer, "job", "attach", jobid)
    [folder] = words(outer, "job", "id", "--to=kvs", jobid)
    assert words(outer, "kvs", "get", f"{folder}.guest.flux.local_uri") == [uri]
    remote = f"ssh://{socket.gethostname()}{uri.removeprefix('local://')}"
    assert words(outer, "kvs", "get", f"{folder}.guest.flux.remote_uri") == [remote]


def test_while_it_runs_it_annotates_its_job(outer: Instance) -> None:
    script = "flux -p jobs -no {annotations.user.uri}; flux getattr local-uri"
    remote, local = words(outer, "mini", "run", "-n1", "flux", "start", "sh", "-c", script)
    assert remote == f"ssh://{socket.gethostname()}{local.removeprefix('local://')}"


def test_an_outer_instance_that_does_not_answer_does_not_keep_it_from_running(
    outer: Instance,
) -> None:
    script = "export FLUX_URI=local:///nosuch FLUX_JOB_ID=1; flux start flux getattr parent-uri"
    run = outer.run("mini", "run", "env", "-u", "PMI_FD", "sh", "-c", script)
    assert (run.returncode, run.stdout) == (0, "local:///nosuch\n"), run.stderr
