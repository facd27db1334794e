"""What a jobspec asks for and what an R holds, in the few words and numbers that lists of jobs show
(RFC 14, 20, 25). No I/O.

Everything here takes objects as they come from a message or the KVS: whatever they do not hold, or
hold in another form, is unknown (None, 0 or empty); nothing raises.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from flux.hostlist import Hostlist
from flux.idset import IDset

_DEEPEST = 64
"""Levels of a resource tree that are looked at, far more than machines have."""


class Requested(NamedTuple):
    """What a jobspec asks for; None stands for "cannot be told", for example cores where only nodes
    are named.
    """

    name: str | None
    ntasks: int | None
    nslots: int | None
    nnodes: int | None
    ncores: int | None


class Allocated(NamedTuple):
    """What an R holds: an idset of ranks, a hostlist, numbers, and the end in seconds since the
    epoch, 0 for none.
    """

    ranks: str
    nodelist: str
    nnodes: int
    ncores: int
    expiration: float


def job_name(jobspec: object) -> str | None:
    """Return ``attributes.system.job.name``, else the last component of the first task's program;
    None if there is neither.
    """
    name = _member(jobspec, "attributes", "system", "job", "name")
    if isinstance(name, str) and name:
        return name
    command = _member(_first(_member(jobspec, "tasks")), "command")
    program = command if isinstance(command, str) else _first(command)
    return program.rpartition("/")[2] if isinstance(program, str) else None


def queue_name(jobspec: object) -> str | None:
    """Return ``attributes.system.queue``, the queue that a job is in; None if it names none."""
    name = _member(jobspec, "attributes", "system", "queue")
    return name if isinstance(name, str) and name else None


def system_text(jobspec: object, name: str) -> str | None:
    """Return a text among ``attributes.system``, such as ``cwd``; None if there is none."""
    value = _member(jobspec, "attributes", "system", name)
    return value if isinstance(value, str) and value else None


def time_limit(jobspec: object) -> float | None:
    """Return ``attributes.system.duration``, the seconds a job may run, 0 for no limit; None if it
    does not say.
    """
    value = _member(jobspec, "attributes", "system", "duration")
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def task_count(jobspec: object) -> int | None:
    """Return how many tasks a jobspec asks for: a total, or a number for each slot; None if it does
    not say.
    """
    return _tasks(jobspec, slot_count(jobspec))


def slot_count(jobspec: object) -> int | None:
    """Return how many task slots a jobspec asks for, None if it names none."""
    return resource_totals(jobspec).get("slot")


def whole_nodes(jobspec: object) -> bool:
    """Tell whether a jobspec asks for resources that nobody else has a part of, whose cores are not
    known before the job has them.
    """
    return _exclusive(_items(_member(jobspec, "resources")), _DEEPEST)


def resource_totals(jobspec: object) -> dict[str, int]:
    """Return how many resources of each type a jobspec asks for: the product of the counts from the
    root down, summed up.
    """
    totals: dict[str, int] = {}
    for kind, number in _vertices(_items(_member(jobspec, "resources")), 1, _DEEPEST):
        totals[kind] = totals.get(kind, 0) + number
    return totals


def requested(jobspec: object) -> Requested:
    """Return everything of the above at once."""
    totals = resource_totals(jobspec)
    nslots = totals.get("slot")
    return Requested(
        job_name(jobspec), _tasks(jobspec, nslots), nslots, totals.get("node"), totals.get("core")
    )


def allocation(resources: object) -> Allocated:
    """Return what an R holds."""
    execution = _member(resources, "execution")
    entries = _items(_member(execution, "R_lite"))
    named = [_ids(_member(entry, "rank")) for entry in entries]
    ranks, nnodes = named[0] if len(named) == 1 else _union(text for text, _ in named)
    cores = [_ids(_member(entry, "children", "core"))[1] for entry in entries]
    ncores = sum(nodes * each for (_, nodes), each in zip(named, cores, strict=True))
    expiration = _member(execution, "expiration")
    return Allocated(
        ranks,
        _hosts([part for part in _items(_member(execution, "nodelist")) if isinstance(part, str)]),
        nnodes,
        ncores,
        float(expiration) if isinstance(expiration, int | float) else 0.0,
    )


def _member(value: object, *names: str) -> object:
    """Return a member at any depth, None if it is not there."""
    for name in names:
        if not isinstance(value, dict | Mapping):  # a dict is known at once, without asking the ABC
            return None
        value = value.get(name)
    return value


def _items(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _first(value: object) -> object:
    items = _items(value)
    return items[0] if items else None


def _ids(value: object) -> tuple[str, int]:
    """Return the ids that a text names, in order, and how many they are; none if it is no idset."""
    return _counted(str(value)) if isinstance(value, str | int) else ("", 0)


@lru_cache(maxsize=4096)
def _counted(text: str) -> tuple[str, int]:
    try:
        ids = IDset(text)
    except ValueError:
        return "", 0
    return ids.encode(), len(ids)


def _union(texts: Iterable[str]) -> tuple[str, int]:
    ids = IDset()
    for text in texts:
        ids.add(IDset(text))
    return ids.encode(), len(ids)


def _hosts(parts: list[str]) -> str:
    if len(parts) == 1:
        return parts[0]
    try:
        return Hostlist(parts).encode()
    except ValueError:
        return ",".join(parts)


def _tasks(jobspec: object, nslots: int | None) -> int | None:
    count = _member(_first(_member(jobspec, "tasks")), "count")
    total = _whole(_member(count, "total"))
    if total is not None:
        return total
    per_slot = _whole(_member(count, "per_slot"))
    return None if per_slot is None or nslots is None else per_slot * nslots


def _vertices(resources: Iterable[object], times: int, depth: int) -> Iterator[tuple[str, int]]:
    for vertex in resources if depth else ():
        count = _member(vertex, "count")
        number = _whole(_member(count, "min") if isinstance(count, Mapping) else count)
        kind = _member(vertex, "type")
        if isinstance(kind, str) and number is not None:
            yield kind, times * number
            yield from _vertices(_items(_member(vertex, "with")), times * number, depth - 1)


def _exclusive(resources: Iterable[object], depth: int) -> bool:
    return depth > 0 and any(
        _member(vertex, "exclusive") is True
        or _exclusive(_items(_member(vertex, "with")), depth - 1)
        for vertex in resources
    )


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
