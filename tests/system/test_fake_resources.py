"""An instance whose nodes are not there, by a configuration that the command line gives."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance

if TYPE_CHECKING:
    from collections.abc import Iterator

FAKE = ("--conf=fake-resources.nnodes=4", "--conf=[fake-resources]\ncores-per-node = 2")


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(1, *FAKE, "-S", "log-forward-level=4") as running:
        yield running


def said(instance: Instance, *words: str) -> str:
    done = instance.run(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_what_there_is(instance: Instance) -> None:
    listed = ("resource", "list", "-n", "-s", "free", "-o", "{nnodes} {ncores} {nodelist}")
    assert said(instance, *listed) == "4 8 fake[0-3]"
    assert said(instance, "getattr", "log-forward-level") == "4"


def test_simulated_jobs_run_there(instance: Instance) -> None:
    test = ("-N4", "-n4", "-c2", "--setattr=exec.test.run_duration=0.1s", "true")
    done = said(instance, "submit", "--wait", *test)
    ended = said(instance, "jobs", "-no", "{status} {nodelist}", done)
    assert ended == "COMPLETED fake[0-3]"


def test_real_jobs_run_where_there_is_a_broker(instance: Instance) -> None:
    assert instance.run("run", "-N1", "true").returncode == 0
    lost = instance.run("run", "-N2", "true")
    assert lost.returncode != 0
    assert "No route to host" in lost.stderr


def test_nodes_are_drained(instance: Instance) -> None:
    said(instance, "resource", "drain", "fake3", "why")
    assert said(instance, "resource", "list", "-n", "-s", "down", "-o", "{nodelist}") == "fake3"
    said(instance, "resource", "undrain", "3")


def test_a_reload_keeps_what_the_command_line_gave(instance: Instance) -> None:
    said(instance, "config", "reload")
    table = {"nnodes": 4, "cores-per-node": 2}
    assert json.loads(said(instance, "config", "get")) == {"fake-resources": table}
