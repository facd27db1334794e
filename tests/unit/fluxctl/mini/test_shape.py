"""Resources that are asked for as a whole."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from fluxctl.errors import CommandError
from fluxctl.mini.jobspec import JobspecBuilder, Script
from fluxctl.mini.options import MiniOptions

if TYPE_CHECKING:
    import pathlib

SLOTS = [{"type": "slot", "count": 3, "label": "foo", "with": [{"type": "core", "count": 2}]}]


def tasks(**options: Any) -> Any:
    given = MiniOptions(todays=True, env=["-*"], **options)
    return JobspecBuilder("/").tasks(given, ["true"])


def test_a_shape_takes_the_place_of_all_counts() -> None:
    jobspec = tasks(resources_shape="slot=3{foo}/core=2", ntasks="5", nodes="2", exclusive=True)
    assert jobspec.resources == SLOTS
    assert jobspec.tasks == [{"command": ["true"], "slot": "foo", "count": {"per_slot": 1}}]


@pytest.mark.parametrize("whole", [SLOTS, {"resources": SLOTS, "version": 1}])
def test_resources_come_from_a_file(tmp_path: pathlib.Path, whole: object) -> None:
    file = tmp_path / "resources.json"
    file.write_text(json.dumps(whole))
    assert tasks(resources_json=str(file)).resources == SLOTS


def test_instances_have_shapes() -> None:
    options = MiniOptions(todays=True, env=["-*"], resources_shape="slot=2/node")
    builder, script = JobspecBuilder("/"), Script("#!/bin/sh\n", "job.sh", [])
    for jobspec in (builder.alloc(options, ["true"]), builder.batch(options, script)):
        (slot,) = jobspec.resources
        assert (slot["count"], slot["with"]) == (2, [{"type": "node", "count": 1}])
        assert jobspec.tasks[0]["slot"] == "task"
        assert jobspec.getattr("system.shell.options.per-resource") == {"type": "node"}


def test_braces_of_a_shape_are_no_inputs() -> None:
    assert MiniOptions(resources_shape="slot{a}/core", output="{}").templated() == ["output"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[{", "--resources-json: FILE: "),
        ("3", "there is no list of resources in it"),
        ("[]", "there is no list of resources in it"),
        ('{"tasks": []}', "there is no list of resources in it"),
        ("[1]", "a resource is an object"),
    ],
)
def test_a_file_without_resources_is_named(tmp_path: pathlib.Path, text: str, reason: str) -> None:
    file = tmp_path / "resources.json"
    file.write_text(text)
    with pytest.raises(CommandError) as refused:
        tasks(resources_json=str(file))
    assert reason.replace("FILE", str(file)) in str(refused.value)


def test_what_makes_no_sense_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(CommandError, match="Illegal character 'x' at position 5"):
        tasks(resources_shape="slot=x")
    with pytest.raises(CommandError, match="mutually exclusive"):
        tasks(resources_shape="slot/core", resources_json="file")
    with pytest.raises(CommandError, match="No such file or directory"):
        tasks(resources_json=str(tmp_path / "none"))
