"""What a shell knows of its job: jobspec (RFC 14), R (RFC 20) and the tasks of each shell (block
distribution).
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flux.constants import IDSET_FLAG_RANGE
from flux.idset import IDset
from flux.job.slots import Slots, decode_idset, parse_slots, ranks_of, task_counts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flux.wire.json import JsonObject


def encode_idset(ids: list[int]) -> str:
    """Return ``ids`` as an idset without brackets."""
    return IDset(ids).encode(IDSET_FLAG_RANGE)


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
        ranks = ranks_of(resources)
        options = _options(jobspec)
        counts = task_counts(jobspec["tasks"][0]["count"], slots, ranks, options)
    except ValueError as error:
        raise OSError(errno.EINVAL, f"malformed jobspec or R: {error}") from error
    except (KeyError, TypeError, IndexError, ZeroDivisionError) as error:
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
