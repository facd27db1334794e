"""Batch jobs: the script, the command that takes its place, one task for each node."""

from __future__ import annotations

import os
import pathlib
import stat
from typing import Any

import pytest

from broker.shell.context import ShellContext
from broker.shell.jobinfo import parse_job
from broker.shell.plugins.batch import BatchPlugin
from broker.shell.task import ShellTask


def jobspec(options: dict[str, Any], **system: Any) -> dict[str, Any]:
    slot = {"type": "slot", "count": 4, "label": "task", "with": [{"type": "core", "count": 1}]}
    task = {"command": ["s.sh", "a", "b"], "slot": "task", "count": {"per_slot": 1}}
    attributes = {"system": {"duration": 0, "shell": {"options": options}, **system}}
    return {"version": 1, "resources": [slot], "tasks": [task], "attributes": attributes}


def resources(cores: str) -> dict[str, Any]:
    return {"version": 1, "execution": {"R_lite": [{"rank": "0-1", "children": {"core": cores}}]}}


@pytest.mark.parametrize(
    ("option", "tasks"),
    [
        (None, [2, 2]),
        ({"type": "node"}, [1, 1]),
        ({"type": "node", "count": 3}, [3, 3]),
        ({"type": "core"}, [2, 2]),
        ({"type": "core", "count": 2}, [4, 4]),
    ],
)
def test_per_resource_decides_the_tasks_of_each_rank(
    option: dict[str, Any] | None, tasks: list[int]
) -> None:
    info = parse_job(1, 0, jobspec({"per-resource": option} if option else {}), resources("0-1"))
    assert [rank.ntasks for rank in info.ranks] == tasks


def test_an_unknown_resource_is_refused() -> None:
    with pytest.raises(OSError, match="unknown type gpu"):
        parse_job(1, 0, jobspec({"per-resource": {"type": "gpu"}}), resources("0"))


def test_the_tasks_run_brokers_with_the_script(tmp_path: pathlib.Path) -> None:
    batch = {"script": "#!/bin/sh\necho hi\n", "broker-opts": ["-v"]}
    info = parse_job(
        1, 0, jobspec({"per-resource": {"type": "node"}}, batch=batch), resources("0-1")
    )
    shell = ShellContext(info, 0)
    shell.tmpdir = str(tmp_path)
    plugin = BatchPlugin(shell)
    task = ShellTask(0, 0, info.command, {})
    assert plugin.wanted()
    plugin.shell_init()
    plugin.task_init(task)
    script = str(tmp_path / "script")
    assert task.argv == ["flux", "broker", "-v", script, "a", "b"]
    assert pathlib.Path(script).read_text() == batch["script"]
    assert stat.S_IMODE(os.stat(script).st_mode) == 0o700


def test_other_jobs_are_left_alone() -> None:
    info = parse_job(1, 0, jobspec({}), resources("0-1"))
    assert not BatchPlugin(ShellContext(info, 0)).wanted()
