"""What a shell knows of its job: jobspec (RFC 14), R (RFC 20) and the tasks of each shell (block
distribution).
"""

from __future__ import annotations

import errno
import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flux.constants import IDSET_FLAG_RANGE
from flux.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from flux.wire.json import JsonMapping, JsonObject


def decode_idset(text: str) -> list[int]:
    """Return the ids of an idset such as ``0-3,7`` or ``[0-3,7]`` (RFC 22); raises ValueError if it
    is not one.
    """
    return list(_decoded(text)) if text else []


@functools.lru_cache(maxsize=1024)
def _decoded(text: str) -> tuple[int, ...]:
    """A shell that jobs share reads the same few sets over and over."""
    return tuple(IDset(text).expand())


def encode_idset(ids: list[int]) -> str:
    """Return ``ids`` as an idset without brackets."""
    return IDset(ids).encode(IDSET_FLAG_RANGE)


@dataclass(frozen=True, slots=True)
class Slots:
    """The slot of a jobspec: how many, on how many cores each; -1 slots per node if the jobspec
    names no node.
    """

    count: int
    cores: int
    per_node: int


@dataclass(frozen=True, slots=True)
class RankInfo:
    """The part of a job on one broker rank.

    ``rank`` is that of the shell in the job, ``broker_rank`` its broker's. ``resources`` are idset
    strings by resource type, such as ``{"core": "0-1"}``. It runs the tasks ``taskids``.
    """

    rank: int
    broker_rank: int
    resources: Mapping[str, str]
    taskids: Sequence[int]

    @property
    def ntasks(self) -> int:
        """How many tasks it runs."""
        return len(self.taskids)

    def ids(self, kind: str) -> list[int]:
        """Return the ids of the resource ``kind`` on this rank."""
        return decode_idset(self.resources.get(kind, ""))


@dataclass(slots=True)
class ShellJob:
    """A job as its shells see it, with ``ntasks`` tasks in all; ``taskmap`` are the blocks of its
    task map (RFC 34), empty while tasks are in blocks of consecutive ones, node after node.
    """

    id: int
    userid: int
    jobspec: JsonObject
    R: JsonObject
    slots: Slots
    ranks: list[RankInfo]
    options: JsonObject = field(default_factory=dict)
    taskmap: Sequence[tuple[int, int, int, int]] = ()
    ntasks: int = field(init=False)

    def __post_init__(self) -> None:
        self.ntasks = sum(rank.ntasks for rank in self.ranks)

    @property
    def system(self) -> JsonObject:
        """``attributes.system`` of the jobspec."""
        system: JsonObject = self.jobspec.get("attributes", {}).get("system") or {}
        return system

    @property
    def command(self) -> list[str]:
        """The program and arguments of every task; raises OSError(EINVAL) if nobody validated the
        jobspec and it has none.
        """
        try:
            command = self.jobspec["tasks"][0]["command"]
        except (KeyError, IndexError, TypeError):
            command = None
        if isinstance(command, str):
            return ["/bin/sh", "-c", command]
        if not isinstance(command, list) or not all(isinstance(word, str) for word in command):
            raise OSError(errno.EINVAL, "the jobspec has no command that is a list of strings")
        return list(command)

    @property
    def environment(self) -> dict[str, str]:
        """The environment the job asked for."""
        given = self.system.get("environment") or {}
        if all(type(value) is str for value in given.values()):
            return dict(given)
        return {str(key): str(value) for key, value in given.items()}

    @property
    def service(self) -> str:
        """Name of the service the leader shell answers."""
        return f"{self.userid}-shell-{self.id}"


def _count(value: int | JsonObject) -> int:
    """Return a jobspec count, the minimum of a range."""
    return int(value["min"]) if isinstance(value, dict) else int(value)


def _walk(
    resources: list[JsonObject], factor: int, nodes: int
) -> Iterator[tuple[JsonObject, int, int]]:
    """Yield each slot with how many there are, and how many nodes they are on."""
    for resource in resources:
        count = _count(resource["count"])
        if resource["type"] == "slot":
            yield resource, factor * count, nodes
        else:
            inside = max(nodes, 1) * count if resource["type"] == "node" else nodes
            yield from _walk(resource.get("with") or [], factor * count, inside)


def parse_slots(resources: list[JsonObject]) -> Slots:
    """Return the slot of a jobspec's resources; raises ValueError if there is not exactly one."""
    found = list(_walk(resources, 1, 0))
    if len(found) != 1:
        raise ValueError("jobspec must have one slot")
    slot, count, nodes = found[0]
    cores = 0
    for inner in slot.get("with") or []:
        if inner["type"] == "core":
            cores += _count(inner["count"])
        elif inner["type"] == "node":
            cores += sum(_count(x["count"]) for x in inner.get("with") or [] if x["type"] == "core")
    return Slots(count, cores or 1, count // nodes if nodes else -1)


def _ranks_of(resources: JsonMapping) -> list[tuple[int, dict[str, str]]]:
    """Return (broker rank, resources) of R_lite, in order of rank."""
    out: list[tuple[int, dict[str, str]]] = []
    for item in resources["execution"]["R_lite"]:
        children = {kind: str(ids) for kind, ids in item.get("children", {}).items()}
        out += [(rank, children) for rank in decode_idset(str(item["rank"]))]
    return sorted(out, key=lambda pair: pair[0])


def distribute(tasks: JsonMapping, slots: Slots, cores: list[int]) -> list[int]:
    """Return the number of tasks of each rank, in blocks.

    ``tasks`` is the ``count`` of the jobspec's task, ``{"per_slot": n}`` or ``{"total": n}``;
    ``cores`` are the numbers of cores allocated on each rank.
    """
    per_rank = (
        [slots.per_node] * len(cores)
        if slots.per_node > 0
        else [count // slots.cores for count in cores]
    )
    surplus = sum(per_rank) - slots.count
    for index in range(len(per_rank) - 1, -1, -1):
        cut = min(max(surplus, 0), per_rank[index])
        per_rank[index] -= cut
        surplus -= cut
    if "total" in tasks:
        share, extra = divmod(int(tasks["total"]), len(cores))
        return [share + (index < extra) for index in range(len(cores))]
    return [count * int(tasks.get("per_slot", 1)) for count in per_rank]


def per_resource(option: JsonMapping, cores: list[int]) -> list[int]:
    """Return the number of tasks of each rank for the shell option ``per-resource``
    (flux-shell(1)).

    The option is ``{"type": "node"|"core", "count": n}``; the count, 1 without, is for each such
    resource. ``cores`` are the numbers of cores allocated on each rank. Raises ValueError for
    another type.
    """
    count = int(option.get("count", 1))
    if option["type"] == "node":
        return [count] * len(cores)
    if option["type"] == "core":
        return [count * have for have in cores]
    raise ValueError(f"per-resource: unknown type {option['type']}")


def _options(jobspec: JsonObject) -> JsonObject:
    """Return a copy of ``attributes.system.shell.options``; raises OSError(EINVAL) if a part of the
    way there is no object.
    """
    found: JsonObject = jobspec
    path = ""
    for name in ("attributes", "system", "shell", "options"):
        inner = found.get(name)
        path = f"{path}.{name}" if path else name
        if inner is None:
            return {}
        if not isinstance(inner, dict):
            raise OSError(errno.EINVAL, f"malformed jobspec: {path} must be an object")
        found = inner
    return dict(found)


def parse_job(jobid: int, userid: int, jobspec: JsonObject, resources: JsonObject) -> ShellJob:
    """Return the job described by ``jobspec`` and R; raises OSError(EINVAL) if either is
    malformed.
    """
    try:
        slots = parse_slots(jobspec["resources"])
        ranks = _ranks_of(resources)
        cores = [len(decode_idset(children.get("core", ""))) for _, children in ranks]
        options = _options(jobspec)
        per = options.get("per-resource")
        counts = (
            per_resource(per, cores)
            if per
            else distribute(jobspec["tasks"][0]["count"], slots, cores)
        )
    except (KeyError, TypeError, ValueError, IndexError, ZeroDivisionError) as error:
        raise OSError(errno.EINVAL, f"malformed jobspec or R: {error!r}") from error
    except AttributeError as error:
        raise OSError(errno.EINVAL, "malformed jobspec or R: a part is no object") from error
    infos: list[RankInfo] = []
    first = 0
    for index, ((broker_rank, children), count) in enumerate(zip(ranks, counts, strict=True)):
        tasks = range(first, first + count)
        infos.append(RankInfo(index, broker_rank, children, tasks))
        first += count
    return ShellJob(jobid, userid, jobspec, resources, slots, infos, options)
