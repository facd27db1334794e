"""A jobspec from options in the manner of srun, for ``flux jobspec srun``."""

from __future__ import annotations

import re
from math import isinf
from typing import TYPE_CHECKING

from fluxctl.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from flux.job.types import ResourceVertex, TaskCount
    from flux.wire.json import JsonObject

ROUNDED_UP = (
    "WARNING: Number of tasks is not an integer multiple of the number of nodes. More resources"
    " than required will be requested to satisfy your job."
)

_TIME = re.compile(
    r"(?:(?:(?P<days>\d+)-)?(?P<hours>\d+):(?P<minutes>\d+):(?P<seconds>\d+)"
    r"|(?P<only_minutes>\d+)(?::(?P<then_seconds>\d+))?)",
    re.ASCII,
)
_UNITS = {
    "days": 86400,
    "hours": 3600,
    "minutes": 60,
    "seconds": 1,
    "only_minutes": 60,
    "then_seconds": 1,
}


def seconds_of(text: str) -> float:
    """Return a time limit ``minutes[:seconds]`` or ``[days-]hours:minutes:seconds`` in seconds;
    raises CommandError if it is neither.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise CommandError(
            "ERROR: invalid time limit string format. Acceptable formats include"
            " minutes[:seconds], [days-]hours:minutes:seconds"
        )
    seconds = sum(float(value) * _UNITS[name] for name, value in match.groupdict("0").items())
    if isinf(seconds):
        raise CommandError("ERROR: the time limit is too large")
    return seconds


def exported(rules: Iterable[str], environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment that ``--export`` asks for, everything without a rule.

    Rules are lists of ALL, NONE, names and ``NAME=VALUE``, which add up. Raises CommandError for
    the name of a variable that is not set.
    """
    words = [word for rule in rules for word in rule.split(",")]
    found = dict(environ) if not words else {}
    for word in words:
        name, equals, value = word.partition("=")
        if word == "ALL":
            found = {**environ, **found}
        elif equals and name:
            found[name] = value
        elif word in environ:
            found[word] = environ[word]
        elif word != "NONE":
            raise CommandError(f"ERROR: Variable ({word}) not in current environment")
    return found


def _shape(nodes: int | None, tasks: int | None) -> tuple[int, TaskCount, bool]:
    """Return how many slots a node (or the job) has, the count of tasks, and whether there are
    more slots than tasks.
    """
    if nodes is None:
        return tasks or 1, {"per_slot": 1}, False
    total = nodes if tasks is None else tasks
    if nodes > total:
        raise CommandError("ERROR: Number of nodes greater than the number of tasks")
    if total % nodes == 0:
        return total // nodes, {"per_slot": 1}, False
    return -(-total // nodes), {"total": total}, True


def jobspec_of(
    command: Sequence[str], system: JsonObject, nodes: int | None, tasks: int | None, cores: int
) -> tuple[JsonObject, str]:
    """Return a jobspec of version 1 (RFC 25) and a warning, empty if there is none.

    ``system`` is ``attributes.system``. Raises CommandError if there are more nodes than tasks.
    """
    slots, count, is_rounded = _shape(nodes, tasks)
    slot: ResourceVertex = {
        "type": "slot",
        "count": slots,
        "with": [{"type": "core", "count": cores}],
        "label": "task",
    }
    resources: list[ResourceVertex] = [slot]
    if nodes is not None:
        resources = [{"type": "node", "count": nodes, "with": [slot]}]
    jobspec: JsonObject = {
        "version": 1,
        "resources": resources,
        "tasks": [{"command": list(command), "slot": "task", "count": count}],
        "attributes": {"system": system},
    }
    return jobspec, ROUNDED_UP if is_rounded else ""
