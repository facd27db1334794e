"""Which tasks of a job get the input of a command that attaches to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def adjustment(wanted: str, started: Mapping[str, object]) -> str:
    """Return the warning that not all tasks of the idset ``wanted`` are there, empty if they are or
    it is ``all``. ``started`` is the context of the event ``shell.start``.
    """
    if wanted == "all":
        return ""
    from flux.idset import IDset

    count = _task_count(started)
    if count is None:
        return ""
    ranks = IDset(wanted)
    there = IDset([task for task in ranks if task < count])
    if len(there) == len(ranks):
        return ""
    return f"flux-job: warning: adjusting --stdin-ranks from {ranks} to {there}"


def _task_count(started: Mapping[str, object]) -> int | None:
    """Return how many tasks there are, None where that is not told: users write eventlogs."""
    count = started.get("task-count")
    if isinstance(count, int):
        return count
    from flux import taskmap
    from flux.wire import json

    try:
        nodes = taskmap.decode(json.dumps_str(started.get("taskmap")))
    except OSError:
        return None
    return sum(len(tasks) for tasks in nodes)
