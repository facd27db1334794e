"""An instance that is a job with a time limit: what it tells of it, which jobs it takes, and that
it follows when the limit is changed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance
from tests.system.watching import until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def outer() -> Iterator[Instance]:
    with running_instance(1) as running:
        yield running


class Inner:
    """An instance of five minutes, in a job."""

    def __init__(self, outer: Instance) -> None:
        self.outer = outer
        batch = ("submit", "-n1", "-t5m", "flux", "broker", "sleep", "inf")
        self.jobid = self.done(outer.run(*batch))
        until(lambda: self.run("getattr", "size").returncode == 0)

    @staticmethod
    def done(run: subprocess.CompletedProcess[str]) -> str:
        assert run.returncode == 0, run.stderr
        return run.stdout.strip()

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.outer.run("proxy", self.jobid, "flux", *words)

    def said(self, *words: str) -> str:
        return self.done(self.run(*words))

    def expiration(self) -> float:
        return float(json.loads(self.said("resource", "R"))["execution"]["expiration"])

    def of_job(self, jobid: str) -> float:
        return float(self.said("jobs", "-ano", "{expiration}", jobid))


@pytest.fixture(scope="module")
def inner(outer: Instance) -> Iterator[Inner]:
    found = Inner(outer)
    yield found
    outer.run("cancel", found.jobid)
    outer.run("job", "wait-event", found.jobid, "clean")


def test_it_keeps_to_the_limit_and_follows_it(outer: Instance, inner: Inner) -> None:
    mine = float(inner.done(outer.run("jobs", "-ano", "{expiration}", inner.jobid)))
    assert inner.expiration() == pytest.approx(mine, abs=0.1)
    for words in (("submit", "-t1h"), ("mini", "submit", "-t5m")):
        refused = inner.run(*words, "true")
        assert refused.returncode == 1
        assert "exceeds remaining instance lifetime (" in refused.stderr
    assert inner.run("submit", "-t4m", "true").returncode == 0
    without = inner.said("submit", "sleep", "inf")
    inner.said("job", "wait-event", without, "start")
    assert inner.of_job(without) == pytest.approx(mine, abs=0.1)

    inner.done(outer.run("update", inner.jobid, "duration=20m"))
    until(lambda: inner.expiration() > mine + 800)
    assert inner.run("submit", "-t15m", "true").returncode == 0
    until(lambda: inner.of_job(without) > mine + 800)
    assert inner.of_job(without) == pytest.approx(mine + 900, abs=0.1)
    assert "resource-update" in inner.said("resource", "eventlog")
    assert "resource-update" in inner.said("job", "eventlog", without)

    inner.said("module", "reload", "sched-simple")
    assert inner.expiration() > mine + 800
    inner.said("cancel", without)
    inner.said("job", "wait-event", without, "clean")
    inner.said("module", "reload", "job-manager")
    until(lambda: inner.run("submit", "-t1h", "true").returncode == 1)


def test_it_follows_again_when_a_module_is_back(outer: Instance, inner: Inner) -> None:
    without = inner.said("submit", "sleep", "inf")
    inner.said("job", "wait-event", without, "start")
    end, told = inner.of_job(without), "is followed again once"
    assert told not in inner.said("dmesg")

    inner.said("module", "remove", "kvs-watch")
    until(lambda: f"{told} kvs-watch is loaded" in inner.said("dmesg"))
    inner.done(outer.run("update", inner.jobid, "duration=+10m"))
    inner.said("module", "load", "kvs-watch")
    until(lambda: inner.of_job(without) == pytest.approx(end + 600, abs=0.1))

    inner.done(outer.run("module", "remove", "job-info"))
    until(lambda: f"{told} it is back" in inner.said("dmesg"))
    inner.done(outer.run("module", "load", "job-info"))
    inner.done(outer.run("update", inner.jobid, "duration=+10m"))
    until(lambda: inner.of_job(without) == pytest.approx(end + 1200, abs=0.1))
    assert inner.said("dmesg").count(told) == 2
    inner.said("cancel", without)


def test_an_instance_that_is_no_job_has_no_end(outer: Instance) -> None:
    assert outer.run("submit", "-t365d", "true").returncode == 0
    resources = json.loads(outer.run("resource", "R").stdout)
    assert resources["execution"]["expiration"] == 0
