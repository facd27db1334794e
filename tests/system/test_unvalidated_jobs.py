"""Jobs whose jobspec nobody validated: each mistake has one sentence, and lists go on working."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance

if TYPE_CHECKING:
    from collections.abc import Iterator

SLOT = {"type": "slot", "count": 1, "with": [{"type": "core", "count": 1}], "label": "t"}


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(1) as running:
        done = running.run("module", "reload", "-f", "job-ingest", "disable-validator")
        assert done.returncode == 0
        yield running


def submit(instance: Instance, jobspec: object) -> tuple[str, str]:
    done = instance.run("job", "submit", stdin=json.dumps(jobspec))
    return done.stdout.strip(), done.stderr.strip()


@pytest.mark.parametrize("jobspec", [{"version": 1}, {}])
def test_without_attributes_there_is_no_job(instance: Instance, jobspec: object) -> None:
    text = "unable to unpack dependencies: Object item not found: attributes"
    assert submit(instance, jobspec) == ("", f"flux-job: {text}")


@pytest.mark.parametrize(
    ("more", "note"),
    [
        ({}, "type=alloc severity=0 Unable to determine slot size"),
        ({"resources": 5}, "type=alloc severity=0 Unable to determine slot size"),
        ({"resources": [SLOT["with"]]}, "type=alloc severity=0 Unable to determine slot size"),
        (
            {"resources": [SLOT], "tasks": [{"command": 5, "slot": "t", "count": {"total": 1}}]},
            "type=exec severity=0 the jobspec has no command that is a list of strings",
        ),
    ],
)
def test_a_job_that_cannot_run_says_why(
    instance: Instance, more: dict[str, object], note: str
) -> None:
    jobid, said = submit(instance, {"version": 1, "attributes": {}, **more})
    assert (bool(jobid), said) == (True, "")
    done = instance.run("job", "attach", jobid)
    assert (done.returncode, f"job.exception {note}\n" in done.stderr) == (1, True)
    assert "Traceback" not in instance.log
    for words in (("-a",), ("-ano", "{id} {name} {ntasks} {status}"), ("-a", "--json")):
        listed = instance.run("jobs", *words)
        assert (listed.returncode, listed.stderr) == (0, "")
        assert jobid.removeprefix("ƒ") in listed.stdout  # JSON is ASCII
