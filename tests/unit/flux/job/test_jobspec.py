"""Jobspecs as recorded, and what is refused."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from flux.job.Jobspec import Jobspec, JobspecV1, validate_jobspec


def test_from_command_as_recorded() -> None:
    made = JobspecV1.from_command(
        ["hostname"], num_tasks=4, num_nodes=2, cores_per_task=2, gpus_per_task=1
    )
    made.cwd = "/home/user"
    made.environment = {}
    assert made.dumps() == (
        '{"resources": [{"type": "node", "count": 2, "with": [{"type": "slot", "count": 2, "with": '
        '[{"type": "core", "count": 2}, {"type": "gpu", "count": 1}], "label": "task"}]}], '
        '"tasks": [{"command": ["hostname"], "slot": "task", "count": {"per_slot": 1}}], '
        '"attributes": {"system": {"duration": 0, "cwd": "/home/user", "environment": {}}}, '
        '"version": 1}'
    )
    assert made.resource_counts() == {"node": 2, "slot": 4, "core": 8, "gpu": 4}
    assert json.loads(made.encode()) == json.loads(made.dumps())
    assert validate_jobspec(made)


def test_uneven_tasks_are_counted_in_total() -> None:
    made = JobspecV1.from_command(["x"], num_tasks=3, num_nodes=2)
    assert made.tasks[0]["count"] == {"total": 3}
    assert made.resource_counts()["slot"] == 4


def test_batch_and_nest() -> None:
    batch = JobspecV1.from_batch_command(
        "#!/bin/sh\n", "job", args=["a"], num_slots=2, broker_opts=["-v"]
    )
    assert batch.tasks[0]["command"] == ["job", "a"]
    assert batch.getattr("system.batch") == {"script": "#!/bin/sh\n", "broker-opts": ["-v"]}
    nest = JobspecV1.from_nest_command(["true"], broker_opts=["-v"])
    assert nest.tasks[0]["command"] == ["flux", "broker", "-v", "true"]
    assert nest.getattr("system.shell.options") == {"per-resource": {"type": "node"}}
    with pytest.raises(ValueError, match="noshebang does not appear to start with '#!'"):
        JobspecV1.from_batch_command("echo", "noshebang")


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"num_tasks": 0}, "task count must be a integer >= 1"),
        ({"cores_per_task": 0}, "cores per task must be an integer >= 1"),
        ({"num_nodes": 0}, "node count must be an integer >= 1"),
        ({"num_tasks": 2, "num_nodes": 4}, "node count must not be greater than task count"),
        ({"exclusive": True}, "exclusive can only be set with a node count"),
    ],
)
def test_bad_counts(counts: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        JobspecV1.from_command(["true"], **counts)


def test_attributes() -> None:
    made = JobspecV1.from_command(["true"])
    made.setattr("attributes.a.b", 1)
    made.setattr_shell_option("pty", 1)
    made.stdin, made.stdout, made.stderr = "in", "out", "err"
    assert (made.stdin, made.stdout, made.stderr) == ("in", "out", "err")
    assert made.getattr("a") == made.getattr("attributes.a") == {"b": 1}
    made.duration = "2.5m"
    assert made.duration == 150.0
    made.duration = timedelta(minutes=1)
    assert made.duration == 60.0
    for bad in (-1, "1x"):
        with pytest.raises(ValueError, match="duration"):
            made.duration = bad
    with pytest.raises(KeyError):
        made.getattr("no.such")


def spec(**changes: Any) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(JobspecV1.from_command(["true"]).dumps())
    data.update(changes)
    return data


SLOT = {"type": "slot", "count": 1, "label": "task", "with": [{"type": "core", "count": 1}]}
TASK = {"command": ["true"], "slot": "task", "count": {"per_slot": 1}}


@pytest.mark.parametrize(
    ("jobspec", "message"),
    [
        ("{}", r"Missing key \(attributes\)"),
        ("[]", "must be a JSON object"),
        (spec(attributes={}, resources=[], tasks=[]), "attributes.system is a required key"),
        (spec(attributes={"system": {}}), "attributes.system.duration is a required key"),
        (spec(attributes={"system": {"duration": -1}}), "must be >= 0"),
        (spec(resources=[]), "resources must have at least one entry"),
        (spec(resources=[{**SLOT, "count": 0}]), "count must be > 0"),
        (spec(resources=[{**SLOT, "label": None}]), "slots must have labels"),
        (spec(resources=[{"type": "core", "count": 1}]), "must be a slot"),
        (spec(resources=[{**SLOT, "with": [{"type": "gpu", "count": 1}]}]), "slot must have cores"),
        (spec(tasks=[{**TASK, "command": []}]), "length of zero"),
        (spec(tasks=[{**TASK, "command": "true"}]), "list of strings"),
        (spec(tasks=[{**TASK, "count": {"per_slot": 0}}]), "per_slot"),
        (spec(tasks=[]), "exactly one entry"),
    ],
)
def test_refused(jobspec: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        validate_jobspec(jobspec)


def test_require_version() -> None:
    with pytest.raises(ValueError, match="version must be 1"):
        validate_jobspec(spec(version=2), require_version=1)


def test_yaml() -> None:
    slot = "{type: slot, label: t, count: 2, with: [{type: core, count: 4}]}"
    made = Jobspec.from_yaml_stream(
        f"version: 1\nresources: [{slot}]\ntasks: []\nattributes: null\n"
    )
    assert made.resource_counts() == {"slot": 2, "core": 8}
    for bad in ("version: 1", "a: [", "- 1"):
        with pytest.raises((ValueError, TypeError)):
            Jobspec.from_yaml_stream(bad)


@pytest.mark.parametrize("value", ["inf", "infinity", "nan", float("inf"), float("nan")])
def test_a_time_limit_is_finite(value: Any) -> None:
    jobspec = JobspecV1.from_command(["true"])
    text = "invalid Flux standard duration" if value == "nan" else "normal, finite value"
    with pytest.raises(ValueError, match=text):
        jobspec.duration = value
    assert jobspec.duration == 0
