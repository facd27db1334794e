"""The queues of an instance (RFC 33): their states, limits and resources, for programs and
``flux queue``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from flux.constraint.match import Place, compile_constraint
from flux.duration import parse_fsd
from flux.idset import IDset
from flux.output_values import mark_of
from flux.resource.list import ResourceListRPC, SchedResourceList
from flux.rpc import RPC
from flux.wire.errors import may_be_unknown
from flux.wire.text import Text, as_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from flux.core.interface import Requester
    from flux.resource.ResourceSet import ResourceSet
    from flux.wire.json import JsonMapping, JsonObject

KINDS: Final = ("nnodes", "ncores", "ngpus")


def queue_names(flux_handle: Requester) -> list[str]:
    """Return the names of the configured queues, none where there is one without a name; raises
    OSError.
    """
    names: list[str] = RPC(flux_handle, "job-manager.queue-list").get()["queues"]
    return names


def queue_status(flux_handle: Requester, name: Text | None = None) -> JsonObject:
    """Return ``enable`` and ``start`` of a queue, None for the one without a name, and, where they
    are false, ``disable_reason`` and ``stop_reason``.

    Raises OSError(EINVAL) if there is no such queue.
    """
    payload = {} if name is None else {"name": as_text(name, "a queue")}
    answer: JsonObject = RPC(flux_handle, "job-manager.queue-status", payload).get()
    return answer


class QueueResourceCounts:
    """Numbers of nodes, cores and GPUs as attributes."""

    def __init__(self, nnodes: object, ncores: object, ngpus: object) -> None:
        self.nnodes = nnodes
        self.ncores = ncores
        self.ngpus = ngpus

    def __repr__(self) -> str:
        words = ", ".join(f"{kind}={getattr(self, kind)!r}" for kind in KINDS)
        return f"QueueResourceCounts({words})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, QueueResourceCounts):
            return NotImplemented
        return all(getattr(self, kind) == getattr(other, kind) for kind in KINDS)


class _Ranges(QueueResourceCounts):
    """Ranges of numbers, and those that the queue's resources leave of them."""

    def __init__(self, values: Mapping[str, object], effective: Mapping[str, object]) -> None:
        super().__init__(**values)
        self.effective = QueueResourceCounts(**effective)


class QueueLimits:
    """What jobs of a queue may ask for: ``timelimit`` in seconds, ``min`` and ``max`` of nodes,
    cores and GPUs, ``range`` of both as text; infinite where there is no limit.
    """

    def __init__(self, own: JsonMapping, general: JsonMapping, there: Mapping[str, int]) -> None:
        limit = _member(own, general, "limits", "duration")
        seconds = parse_fsd(str(limit)) if limit is not None else 0
        self.timelimit = self.duration = float(seconds) or math.inf
        least = {kind: _size(own, general, "min", kind) for kind in KINDS}
        most = {kind: _size(own, general, "max", kind) for kind in KINDS}
        self.min = QueueResourceCounts(
            **{kind: 0 if math.isinf(least[kind]) else least[kind] for kind in KINDS}
        )
        self.max = QueueResourceCounts(**most)
        low = vars(self.min)
        self.range = _Ranges(
            {kind: f"{low[kind]}-{most[kind]}" for kind in KINDS},
            {kind: f"{low[kind]}-{min(most[kind], there[kind])}" for kind in KINDS},
        )

    def __repr__(self) -> str:
        return f"QueueLimits(min={self.min!r}, max={self.max!r}, duration={self.duration!r})"

    def __eq__(self, other: object) -> bool:
        return repr(self) == repr(other) if isinstance(other, QueueLimits) else NotImplemented


class QueueDefaults:
    """What jobs of a queue have that do not say it: ``timelimit`` in seconds, infinite for none."""

    def __init__(self, own: JsonMapping, general: JsonMapping) -> None:
        value = _member(own, general, "jobspec", "defaults", "system", "duration")
        seconds = float(parse_fsd(str(value))) if value is not None else math.inf
        self.timelimit = self.duration = seconds

    def __repr__(self) -> str:
        return f"QueueDefaults(duration={self.duration!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, QueueDefaults):
            return NotImplemented
        return self.duration == other.duration


class QueueInfo:
    """One queue: what it is called, its state, and what its jobs may ask for.

    ``resources`` has sets of resources by state: all, up, down, allocated and free ones.
    """

    def __init__(
        self, name: str, status: JsonMapping, config: JsonMapping, resources: SchedResourceList
    ) -> None:
        general = config.get("policy") or {}
        own = (config.get("queues") or {}).get(name) or {}
        default = _member(general, {}, "jobspec", "defaults", "system", "queue")
        self.queue = name
        self.is_default = bool(name) and name == default
        self.queuem = f"{name}*" if self.is_default else name
        self.submission = "enabled" if status["enable"] else "disabled"
        self.scheduling = "started" if status["start"] else "stopped"
        self.enabled, self.started = mark_of(bool(status["enable"])), mark_of(bool(status["start"]))
        self.disable_reason = str(status.get("disable_reason") or "")
        self.stop_reason = str(status.get("stop_reason") or "")
        self.resources = resources_of(resources, own.get("requires") or ())
        there = {kind: int(getattr(self.resources.all, kind)) for kind in KINDS}
        self.limits = QueueLimits(own.get("policy") or {}, general, there)
        self.defaults = QueueDefaults(own.get("policy") or {}, general)


def queue_list(flux_handle: Requester, names: Iterable[str] | None = None) -> list[QueueInfo]:
    """Return the queues ``names``, by default all of them; raises OSError."""
    chosen = list(names) if names is not None else queue_names(flux_handle) or [""]
    config = RPC(flux_handle, "config.get").get() or {}
    resources = known_resources(flux_handle)
    return [
        QueueInfo(name, queue_status(flux_handle, name or None), config, resources)
        for name in chosen
    ]


class InstanceQueue:
    """A queue of a `QueueList`: its ``name``, empty for the one without, whether it ``is_default``,
    as that one is, ``enabled`` for submissions and ``started``, its ``resources`` by state, its
    ``limits`` and ``defaults``, and the configuration of the instance, ``config``.
    """

    def __init__(self, info: QueueInfo, config: JsonMapping) -> None:
        self.name = info.queue
        self.is_default = info.is_default or not info.queue
        self.enabled = info.submission == "enabled"
        self.started = info.scheduling == "started"
        self.resources = info.resources
        self.limits = info.limits
        self.defaults = info.defaults
        self.config = config


class QueueList:
    """The queues of an instance, those called ``queues`` or else all: each by its name, or one
    after the other. ``default_queue`` is the name of the default one, None without one.

    Raises OSError, ValueError if there is no such queue.
    """

    def __init__(self, handle: Requester, queues: Iterable[Text] | None = None) -> None:
        known = queue_names(handle)
        wanted = [as_text(name, "a queue") for name in queues or ()]
        for name in wanted:
            if name not in known:
                raise ValueError(f"No such queue: {name}")
        config: JsonMapping = RPC(handle, "config.get").get() or {}
        found = (InstanceQueue(info, config) for info in queue_list(handle, wanted or None))
        self._queues = {queue.name: queue for queue in found}
        general = config.get("policy") or {}
        default = _member(general, {}, "jobspec", "defaults", "system", "queue")
        self.default_queue = str(default) if known and default else None

    def __iter__(self) -> Iterator[InstanceQueue]:
        return iter(self._queues.values())

    def __len__(self) -> int:
        return len(self._queues)

    def __getitem__(self, item: str) -> InstanceQueue:
        return self._queues[item]


def known_resources(flux_handle: Requester) -> SchedResourceList:
    """Return the scheduler's resources, or where there is none what it would have, but for excluded
    ranks, which it counts as down. Raises OSError.
    """
    asked = ResourceListRPC(flux_handle)
    status = RPC(flux_handle, "resource.status", nodeid=0).get()
    excluded = IDset(status["exclude"])
    try:
        found = asked.get()
    except OSError as exc:
        if not may_be_unknown(exc.errno):
            raise
        found = SchedResourceList({"all": status["R"]})
        unusable = IDset(status["offline"])
        for ranks in status["drain"]:
            unusable.add(ranks)
        found.up = found.free = found.all.copy().remove_ranks(unusable)
        found.down = found.all - found.up
    if not len(excluded):
        return found
    return found.only(lambda part: part.copy().remove_ranks(excluded))


def resources_of(resources: SchedResourceList, properties: Iterable[str]) -> SchedResourceList:
    """Return those of the scheduler's resources that have all of some properties."""
    wanted = list(properties)
    return resources.only(lambda found: having(found, wanted)) if wanted else resources


def queues_by_rank(
    flux_handle: Requester, resources: ResourceSet, names: Iterable[Text] | None = None
) -> dict[int, tuple[str, ...]]:
    """Return the queues whose jobs may run on each rank; with ``names`` only ranks of those queues.

    Raises OSError, ValueError if there is no such queue.
    """
    queues: JsonObject = (RPC(flux_handle, "config.get").get() or {}).get("queues") or {}
    wanted = None if names is None else {as_text(name, "a queue") for name in names}
    if wanted is not None and not wanted <= set(queues):
        missing = ", ".join(sorted(wanted - set(queues)))
        raise ValueError(f"{missing}: no such queue")
    found = {}
    for rank, properties in resources.properties_by_rank().items():
        those = tuple(
            name
            for name, table in queues.items()
            if properties.issuperset(table.get("requires") or ())
        )
        if wanted is None or not wanted.isdisjoint(those):
            found[rank] = those
    return found


def having(resources: ResourceSet, properties: Iterable[str]) -> ResourceSet:
    """Return the part of a resource set whose ranks have all of some properties."""
    matches = compile_constraint({"properties": list(properties)})
    ranks = [
        rank
        for rank, found in resources.properties_by_rank().items()
        if not matches(Place(rank, "", found))
    ]
    return resources.copy().remove_ranks(ranks)


def _member(own: JsonMapping, general: JsonMapping, *path: str) -> object:
    """Return what a queue's policy says, or else the general one; None if neither says it."""
    for policy in (own, general):
        value: object = policy
        for step in path:
            value = value.get(step) if isinstance(value, dict) else None
        if value is not None:
            return value
    return None


def _size(own: JsonMapping, general: JsonMapping, bound: str, kind: str) -> float:
    limit = _member(own, general, "limits", "job-size", bound, kind)
    return limit if isinstance(limit, int) and limit >= 0 else math.inf
