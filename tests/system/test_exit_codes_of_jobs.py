"""What commands that wait for jobs exit with: as those of 0.88, however the jobs ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance

from .watching import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

JOBS = {
    "ok": (["true"], 0),
    "fails": (["false"], 1),
    "killed": (["sh", "-c", "kill -9 $$"], 137),
    "missing": (["nosuch"], 127),
    "timed": (["-t", "0.2s", "sleep", "600"], 142),
    "two": (["-n2", "sh", "-c", "exit $((FLUX_TASK_RANK+3))"], 4),
    "unsatisfiable": (["-n10000", "true"], 1),
    "canceled": (["sleep", "600"], 143),
    "raised": (["sleep", "600"], 143),
    "mild": (["sleep", "3"], 0),
    "never": (["--urgency=hold", "true"], 1),
}
"""Jobs, and their exit codes."""
DONE_TO = {
    "canceled": ["cancel"],
    "never": ["cancel"],
    "raised": ["job", "raise", "-s0", "-tfoo"],
    "mild": ["job", "raise", "-s7", "-tfoo"],
}
RUNNING = ("canceled", "raised", "mild")
UNBEGUN = ("unsatisfiable", "never")
"""Those that an exception ended before they had an exit code."""


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(1) as running:
        yield running


@pytest.fixture(scope="module")
def ids(instance: Instance) -> dict[str, str]:
    found = {}
    for name, (words, _) in JOBS.items():
        jobid = found[name] = instance.run("submit", *words).stdout.strip()
        if name in RUNNING:
            instance.run("job", "wait-event", jobid, "start", timeout=PATIENCE)
        if name in DONE_TO:
            assert instance.run(*DONE_TO[name], jobid).returncode == 0
    return found


@pytest.mark.parametrize("name", JOBS)
def test_exit_codes(instance: Instance, ids: dict[str, str], name: str) -> None:
    code = JOBS[name][1]
    for words in (["job", "status"], ["job", "attach"], ["watch"]):
        done = instance.run(*words, ids[name], timeout=PATIENCE)
        assert (done.returncode, words) == (code, words)
    for given in (42, 0):
        done = instance.run("job", "status", "-e", str(given), ids[name], timeout=PATIENCE)
        assert done.returncode == (given if name in UNBEGUN else code)


@pytest.mark.parametrize("name", sorted(JOBS.keys() - DONE_TO.keys()))
def test_waiting_for_a_submission(instance: Instance, name: str) -> None:
    words, code = JOBS[name]
    assert instance.run("submit", "--wait", *words, timeout=PATIENCE).returncode == code
    assert instance.run("run", *words, timeout=PATIENCE).returncode == code


def test_the_largest_counts(instance: Instance, ids: dict[str, str]) -> None:
    assert instance.run("job", "status", *ids.values(), timeout=PATIENCE).returncode == 143
