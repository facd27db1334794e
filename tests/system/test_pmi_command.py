"""`flux pmi`: tasks of a job, and a process that is alone, try PMI."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance

from .saying import flux, said

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(2) as running:
        yield running


TWO = ("run", "-N2", "-n2", "-l", "flux", "pmi")


@pytest.mark.parametrize("longest", ["inf", "1e300"])
def test_any_time_to_wait_may_be_given(instance: Instance, longest: str) -> None:
    assert "completed" in said(instance, *TWO, "-t", longest, "barrier")


def test_all_tasks_meet(instance: Instance) -> None:
    told = said(instance, *TWO, "barrier", "--test-count=2").splitlines()
    assert len(told) == 2
    assert all(re.fullmatch(r"0: \S+: completed pmi barrier on 2 tasks", line) for line in told)
    assert re.fullmatch(
        r"0: \S+: completed pmi barrier on 2 tasks in [0-9.]+s\.",
        said(instance, *TWO, "-t", "60s", "barrier", "--test-timing"),
    )
    exchanged = said(instance, *TWO, "exchange", "--count=2").splitlines()
    assert len(exchanged) == 2
    assert all(
        re.fullmatch(r"0: \S+: completed pmi exchange on 2 tasks in [0-9.]+s\.", line)
        for line in exchanged
    )


def test_values_of_the_job(instance: Instance) -> None:
    keys = ["PMI_process_mapping", "flux.taskmap"]
    told = said(instance, *TWO, "get", "--ranks=1", *keys).splitlines()
    assert told == ["1: (vector,(0,2,1))", '1: {"version":1,"map":[[0,2,1,1]]}']
    missing = flux(instance, *TWO, "get", "nosuch", code=1)
    assert missing.stderr.startswith("0: flux-pmi: get nosuch: invalid key argument\n")


def test_a_task_ends_the_job(instance: Instance) -> None:
    ended = flux(instance, *TWO, "barrier", "--test-abort=1", code=1)
    assert "flux-pmi: rank 1 is aborting" in ended.stderr


def test_a_task_that_does_not_come_is_not_waited_for_for_ever(instance: Instance) -> None:
    script = "[ $FLUX_TASK_RANK = 1 ] && exec sleep 30; flux pmi -t 0.5s barrier"
    words = ("run", "-n2", "-o", "exit-on-error", "sh", "-c", script)
    done = instance.run(*words, timeout=60)
    assert "flux-pmi: Connection timed out\n" in done.stderr
    assert done.returncode != 0


def test_a_process_that_is_alone(instance: Instance) -> None:
    assert said(instance, "pmi", "barrier") == "0: completed pmi barrier on 1 tasks"
    traced = flux(instance, "pmi", "-v", "--method=single", "barrier").stderr.splitlines()
    assert traced == [
        "single: initialize: rank=0 size=1 name=single: success",
        "single: selected",
        "single: barrier: success",
        "single: finalize: success",
    ]
    refused = flux(instance, "pmi", "get", "x", code=1)
    assert refused.stderr == "flux-pmi: get x: key not found\n"
    refused = flux(instance, "pmi", "--method=nosuch", "barrier", code=1)
    assert refused.stderr == "flux-pmi: plugin matching 'nosuch' not found\n"
    refused = flux(instance, "pmi", "--method=simple", "barrier", code=1)
    assert refused.stderr == "flux-pmi: simple: PMI_FD not found in environ\n"
