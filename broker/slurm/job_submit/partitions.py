"""Queues as partitions: what ``part_list`` has of them. Pure, but that groups are looked up.

A partition's nodes are known to the scheduler: they are asked for when a plugin looks at them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from broker.slurm.constants import INFINITE, NO_VAL
from broker.user_groups import groups_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.slurm.job_submit.kinds import Value

TAKES_JOBS: Final = 1
STARTS_JOBS: Final = 2
"""Bits of a partition's state."""


class Queue(Struct):
    """A queue as the job manager tells of it; times are in seconds, 0 for no limit."""

    name: str
    is_default: bool = False
    longest: float = 0.0
    duration: float = 0.0
    most_nodes: int | None = None
    least_nodes: int = 0
    users: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None
    requires: tuple[str, ...] = ()
    enabled: bool = True
    started: bool = True


class Nodes(Struct, frozen=True):
    """The nodes of a queue: a hostlist, how many they are and how many cores they have."""

    hosts: str = ""
    count: int = 0
    cores: int = 0


class Partition:
    """A queue in the words of Slurm."""

    def __init__(self, queue: Queue, nodes: Callable[[Queue], Nodes]) -> None:
        self.queue = queue
        self._nodes = nodes

    @property
    def name(self) -> str:
        """The name of the queue."""
        return self.queue.name

    def get(self, field: str) -> Value:
        """Return a field of `PARTITION_FIELDS`, None for another."""
        read = PARTITION_FIELDS.get(field)
        return read(self) if read is not None else None

    def nodes(self) -> Nodes:
        """Return the partition's nodes."""
        return self._nodes(self.queue)

    def state(self) -> int:
        """Return whether jobs come in and start."""
        queue = self.queue
        return (TAKES_JOBS if queue.enabled else 0) | (STARTS_JOBS if queue.started else 0)


def _minutes(seconds: float, unset: int) -> int:
    return int(seconds // 60) if seconds else unset


def _most_nodes(part: Partition) -> int:
    most = part.queue.most_nodes
    return INFINITE if most is None else most


PARTITION_FIELDS: Final[dict[str, Callable[[Partition], Value]]] = {
    "name": lambda part: part.queue.name,
    "flag_default": lambda part: int(part.queue.is_default),
    "flags": lambda part: int(part.queue.is_default),
    "max_time": lambda part: _minutes(part.queue.longest, INFINITE),
    "default_time": lambda part: _minutes(part.queue.duration, NO_VAL),
    "max_nodes": _most_nodes,
    "max_nodes_orig": _most_nodes,
    "min_nodes": lambda part: part.queue.least_nodes,
    "min_nodes_orig": lambda part: part.queue.least_nodes,
    "allow_groups": lambda part: ",".join(part.queue.groups or ()) or None,
    "state_up": lambda part: part.state(),
    "nodes": lambda part: part.nodes().hosts or None,
    "total_nodes": lambda part: part.nodes().count,
    "total_cpus": lambda part: part.nodes().cores,
    "max_cpus_per_node": lambda part: INFINITE,
    "max_mem_per_node": lambda part: 0,
    "def_mem_per_node": lambda part: 0,
    "max_share": lambda part: 1,
    "priority_tier": lambda part: 1,
    "priority_job_factor": lambda part: 1,
}
"""How the fields of a partition are read."""


def may_use(queue: Queue, userid: int) -> bool:
    """Whether a user may submit to a queue."""
    if queue.users is None and queue.groups is None:
        return True
    user, groups = groups_of(userid)
    return user in (queue.users or ()) or not groups.isdisjoint(queue.groups or ())
