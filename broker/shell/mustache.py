"""Templates of the job shell: ``{{tag}}`` in the names of output files, in the words of the command
and in variables (flux-mini(1), --output).

Tags that begin with ``node.`` differ from node to node, those with ``task.`` and ``taskid`` from
task to task. Tags that nobody knows stay as they are.
"""

from __future__ import annotations

import os
import re
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from broker.shell import facts
from flux.job.JobID import JobID, f58_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from broker.shell.context import ShellContext
    from broker.shell.task import ShellTask

TAG: Final = "{{"
"""What a text has in it that has a tag."""
_TAG: Final = re.compile(r"\{\{([\w.]+)\}\}")
_FORMS: Final[Mapping[str, Callable[[JobID], str]]] = {
    "dec": lambda jobid: str(jobid.dec),
    "hex": lambda jobid: str(jobid.hex),
    "dothex": lambda jobid: str(jobid.dothex),
    "words": lambda jobid: str(jobid.words),
}
_TASK: Final[Mapping[str, Callable[[ShellTask], int]]] = {
    "taskid": lambda task: task.rank,
    "task.id": lambda task: task.rank,
    "task.rank": lambda task: task.rank,
    "task.index": lambda task: task.localid,
    "task.localid": lambda task: task.localid,
}


class TagScope(IntEnum):
    """For what a template has a value of its own."""

    JOB = 0
    NODE = 1
    TASK = 2


def scope_of(template: str) -> TagScope:
    """Return what the tags of a template that differ most differ by."""
    tags = _TAG.findall(template)
    if any(tag in _TASK for tag in tags):
        return TagScope.TASK
    return TagScope.NODE if any(tag.startswith("node.") for tag in tags) else TagScope.JOB


def render(
    template: str,
    shell: ShellContext,
    scope: TagScope = TagScope.NODE,
    task: ShellTask | None = None,
) -> str:
    """Return ``template`` with the tags replaced that have a value for ``scope``."""
    if TAG not in template:
        return template

    def value(match: re.Match[str]) -> str:
        found = _value(match[1], shell, scope, task)
        return match[0] if found is None else str(found)

    return _TAG.sub(value, template)


def _value(
    tag: str, shell: ShellContext, scope: TagScope, task: ShellTask | None
) -> str | int | None:
    if tag in _TASK:
        return None if task is None else _TASK[tag](task)
    name, _, key = tag.partition(".")
    if name == "node":
        return _node_value(key, shell) if scope >= TagScope.NODE else None
    return _job_value(name, key, shell)


def _job_value(name: str, key: str, shell: ShellContext) -> str | int | None:
    info = shell.info
    if name in ("id", "jobid"):
        if key in ("", "f58"):
            return f58_in(info.id, shell.env)
        return _FORMS[key](JobID(info.id)) if key in _FORMS else None
    if key:
        return None
    if name in ("ntasks", "size"):
        return info.ntasks
    if name == "nnodes":
        return len(info.ranks)
    if name == "name":
        job = info.system.get("job")
        given = job.get("name") if isinstance(job, dict) else None
        return str(given or os.path.basename(info.command[0]))
    return shell.tmpdir if name == "tmpdir" and shell.tmpdir else None


def _node_value(key: str, shell: ShellContext) -> str | int | None:
    info = facts.rank_info(shell, -1)
    match key:
        case "id":
            return info["id"]
        case "name":
            return info["name"]
        case "broker_rank":
            return info["broker_rank"]
    return info["resources"].get(key)
