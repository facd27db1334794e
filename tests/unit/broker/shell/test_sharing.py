"""Which jobs share a shell process."""

from __future__ import annotations

from typing import Any

import pytest

from broker.shell.sharing import MOST_TASKS, may_share


def spec(
    count: object = 1, per: object = None, nodes: object = None, **system: Any
) -> dict[str, Any]:
    slot = {"type": "slot", "count": count, "with": [{"type": "core", "count": 1}]}
    resources = [slot] if nodes is None else [{"type": "node", "count": nodes, "with": [slot]}]
    tasks = [{"command": ["true"], "slot": "task", "count": per or {"per_slot": 1}}]
    return {"resources": resources, "tasks": tasks, "attributes": {"system": system}}


def options(**values: object) -> dict[str, object]:
    return {"options": {name.replace("_", "-"): value for name, value in values.items()}}


@pytest.mark.parametrize(
    "jobspec",
    [
        spec(),
        spec(MOST_TASKS),
        spec(nodes=4),
        spec(shell={}),
        spec(shell={"options": None}),
        spec(shell=options(verbose=2, cpu_affinity="off")),
        spec(shell=options(output={"stdout": {"type": "file"}}, exit_on_error=1)),
    ],
)
def test_plain_jobs_share(jobspec: dict[str, Any]) -> None:
    assert may_share(jobspec)


@pytest.mark.parametrize(
    "jobspec",
    [
        spec(MOST_TASKS + 1),
        spec(0),
        spec({"min": 1}),
        spec(per={"per_slot": 2}),
        spec(per={"total": 2}),
        spec(nodes=2, count=MOST_TASKS + 1),
        *(spec(shell=options(**{name: 1})) for name in ("pty", "initrc", "linger", "userrc", "x")),
        spec(shell=options(rlimit={"core": 0})),
        spec(shell=options(stop_tasks_in_exec=1)),
        spec(batch={"script": "#!/bin/sh"}),
        spec(exec={"job_shell": "/bin/true"}),
        spec(shell=3),
        {},
        {"attributes": None},
        {"attributes": {"system": {}}, "resources": [], "tasks": []},
        {"attributes": {"system": {}}, "resources": [1], "tasks": [1]},
        spec() | {"tasks": []},
    ],
)
def test_others_have_a_process_of_their_own(jobspec: dict[str, Any]) -> None:
    assert not may_share(jobspec)
