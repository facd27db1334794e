"""What a shell tells its plugins of the job (flux_shell_get_info(3),
flux_shell_get_jobspec_info(3)).
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final, TypedDict

from broker.shell.jobinfo import encode_idset

if TYPE_CHECKING:
    from collections.abc import Mapping

    from broker.shell.context import ShellContext
    from flux.wire.json import JsonObject

_PLURAL: Final[Mapping[str, str]] = {"core": "cores", "gpu": "gpus"}
"""The manual names resources in both ways, in one page each."""


class ShellOptions(TypedDict):
    verbose: bool
    standalone: bool


class ShellInfo(TypedDict):
    """Facts of the shell and its job."""

    jobid: int
    rank: int
    size: int
    ntasks: int
    service: str
    options: ShellOptions
    jobspec: JsonObject
    R: JsonObject


class ShellRankInfo(TypedDict):
    """The part of the job on one shell rank.

    ``taskids`` is an idset, ``name`` the node's. ``resources`` are idsets by type, under the name
    of R and its plural (``core`` and ``cores``), and the number of cores as ``ncores``.
    """

    id: int
    name: str
    broker_rank: int
    ntasks: int
    taskids: str
    resources: dict[str, str | int]


class JobspecInfo(TypedDict):
    """A summary of the jobspec; ``nnodes`` and ``slots_per_node`` are -1 if it says nothing of
    them.
    """

    version: int
    ntasks: int
    nslots: int
    cores_per_slot: int
    nnodes: int
    slots_per_node: int


def shell_info(shell: ShellContext) -> ShellInfo:
    """Return the facts of a shell."""
    info = shell.info
    return {
        "jobid": info.id,
        "rank": shell.rank,
        "size": shell.size,
        "ntasks": info.ntasks,
        "service": info.service,
        "options": {"verbose": shell.verbose > 0, "standalone": shell.standalone},
        "jobspec": info.jobspec,
        "R": info.R,
    }


def rank_info(shell: ShellContext, rank: int) -> ShellRankInfo:
    """Return the facts of a shell rank, -1 for this one's; raises OSError(EINVAL) if there is no
    such rank.
    """
    ranks = shell.info.ranks
    if not -1 <= rank < len(ranks):
        raise OSError(errno.EINVAL, f"no shell rank {rank}")
    found = ranks[shell.rank if rank == -1 else rank]
    resources: dict[str, str | int] = {}
    for kind, ids in found.resources.items():
        resources[kind] = ids
        resources[_PLURAL.get(kind, kind)] = ids
    resources["ncores"] = len(found.ids("core"))
    return {
        "id": found.rank,
        "name": host_of(shell.info.R, found.rank),
        "broker_rank": found.broker_rank,
        "ntasks": found.ntasks,
        "taskids": encode_idset(list(found.taskids)),
        "resources": resources,
    }


def host_of(resources: JsonObject, rank: int) -> str:
    """Return the name of the node of a shell rank, "" if R (RFC 20) does not tell it."""
    from flux.hostlist import Hostlist

    try:
        hosts = Hostlist(resources["execution"].get("nodelist") or [])
        return str(hosts[rank])
    except (KeyError, TypeError, ValueError, IndexError):
        return ""


def jobspec_info(shell: ShellContext) -> JobspecInfo:
    """Return a summary of the job's jobspec."""
    slots = shell.info.slots
    return {
        "version": int(shell.info.jobspec.get("version", 1)),
        "ntasks": shell.info.ntasks,
        "nslots": slots.count,
        "cores_per_slot": slots.cores,
        "nnodes": slots.count // slots.per_node if slots.per_node > 0 else -1,
        "slots_per_node": slots.per_node,
    }
