"""The instance's resources as data: inventory by rank, who is online, drained or excluded, and what
follows for the scheduler.

A rank is *online* when its broker is and its resource module has reported, *up* when it is also
neither drained nor excluded. Every operation changes the sets;
`Resources.take_changes` then tells which ranks went up or down since the scheduler was last told
(RFC 28).
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final, TypedDict

from msgspec import Struct

from flux.hostlist import Hostlist
from flux.idset import IDset
from flux.job.updates import expiration_of
from flux.resource.configured import make_r

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flux.job.types import RankResources, ResourceExecution, ResourceObject
    from flux.wire.json import JsonMapping

MAX_SHOWN = 200
"""Characters of what somebody wrote that are shown in a message about it."""
REASON_ONLY: Final = 1
"""``overwrite`` of a ``drain`` event that leaves since when ranks are drained."""
MAX_CHILD = 1 << 20
"""Greatest number of a core or GPU; each costs memory in the scheduler."""


class Inventory(Struct, frozen=True):
    """What one rank found: host name, core and GPU ids as idset strings, the digest of its hwloc
    XML.
    """

    rank: int
    host: str
    cores: str
    gpus: str
    xml: str

    @classmethod
    def from_json(cls, value: JsonMapping) -> Inventory:
        """Decode a report; raises OSError(EPROTO)."""
        try:
            fields = (
                int(value["rank"]),
                str(value["host"]),
                str(value["cores"]),
                str(value["gpus"]),
                str(value["xml"]),
            )
            if any(
                len(ids) and ids.last() > MAX_CHILD for ids in (IDset(fields[2]), IDset(fields[3]))
            ):
                raise ValueError("id out of range")
        except (KeyError, TypeError, ValueError):
            raise OSError(errno.EPROTO, "malformed inventory") from None
        return cls(*fields)

    def to_json(self) -> dict[str, object]:
        """Encode a report."""
        return {
            "rank": self.rank,
            "host": self.host,
            "cores": self.cores,
            "gpus": self.gpus,
            "xml": self.xml,
        }


class Drain(Struct, frozen=True):
    """Why and since when (seconds since the epoch) a rank is drained."""

    timestamp: float
    reason: str


def resource_set(inventory: Iterable[Inventory]) -> ResourceObject:
    """Return the R (RFC 20) of some ranks; ranks with the same children share an entry."""
    ordered = sorted(inventory, key=lambda item: item.rank)
    groups: dict[tuple[str, str], list[int]] = {}
    for item in ordered:
        groups.setdefault((item.cores, item.gpus), []).append(item.rank)
    entries: list[RankResources] = []
    for (cores, gpus), ranks in groups.items():
        children = {"core": cores} | ({"gpu": gpus} if gpus else {})
        entries.append({"rank": IDset(ranks).encode(), "children": children})
    return make_r(entries, [item.host for item in ordered])


def ranks_of(resources: ResourceObject) -> IDset:
    """Return the ranks of an R."""
    ranks = IDset()
    for entry in resources["execution"]["R_lite"]:
        ranks.add(str(entry["rank"]))
    return ranks


def hosts_of(resources: ResourceObject) -> dict[int, str]:
    """Return the host name of each rank of an R."""
    nodelist = resources["execution"].get("nodelist") or []
    return dict(zip(ranks_of(resources), Hostlist(list(nodelist)), strict=False))


def renumber(resources: ResourceObject) -> ResourceObject:
    """Return an R of the enclosing instance with its ranks renumbered from 0, which are the ranks
    of this instance.
    """
    new_rank = {rank: index for index, rank in enumerate(ranks_of(resources))}
    execution = resources["execution"]
    groups: dict[str, tuple[list[int], dict[str, str]]] = {}
    for entry in execution["R_lite"]:
        ranks, _ = groups.setdefault(
            repr(sorted(entry["children"].items())), ([], entry["children"])
        )
        ranks += [new_rank[rank] for rank in IDset(str(entry["rank"]))]
    entries: list[RankResources] = [
        {"rank": IDset(ranks).encode(), "children": children} for ranks, children in groups.values()
    ]
    properties = {
        name: IDset(new_rank[rank] for rank in IDset(ranks) if rank in new_rank).encode()
        for name, ranks in (execution.get("properties") or {}).items()
    }
    return make_r(
        entries,
        list(hosts_of(resources).values()),
        execution.get("starttime", 0.0),
        execution.get("expiration", 0.0),
        properties,
    )


def is_idset(text: str) -> bool:
    """Whether ranks are named by their numbers, or not at all."""
    try:
        IDset(text)
    except ValueError:
        return False
    return True


NOTHING: Final = make_r([], [])
"""An R without resources."""


class Acquired(TypedDict):
    """The first answer to ``resource.acquire``: what there is, and the idset of what is up."""

    resources: ResourceObject
    up: str


class Resources:
    """The resources of an instance of ``size`` ranks.

    ``names`` are hosts by rank, as far as they are known before the resources are.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.inventory: dict[int, Inventory] = {}
        self._brokers = IDset()
        self._loaded = IDset()
        self.resources: ResourceObject | None = None
        self.online = IDset()
        self.exclude = IDset()
        self.drained: dict[int, Drain] = {}
        self.names: dict[int, str] = {}
        self.given_up: set[int] = set()
        self._told = IDset()
        self._ranks = IDset()
        self.recovering = False
        """Whether nobody counts as online, whoever reports."""

    # Inventory

    def imagine(self, count: int) -> None:
        """Have at least so many ranks; those without a broker never report."""
        self.given_up |= set(range(self.size, count))
        self.size = max(self.size, count)

    def report(self, item: Inventory) -> None:
        """Take a rank's inventory."""
        if not 0 <= item.rank < self.size:
            raise OSError(errno.EINVAL, f"rank {item.rank} is out of range")
        self.inventory[item.rank] = item
        self._loaded.add(item.rank)

    @property
    def awaited(self) -> set[int]:
        """The ranks that have not reported and are not given up."""
        return set(range(self.size)) - self.inventory.keys() - self.given_up

    @property
    def complete(self) -> bool:
        """Whether nobody's report is waited for."""
        return len(self.inventory) == self.size or not self.awaited

    def give_up(self, ranks: Iterable[int]) -> bool:
        """Wait no longer for the reports of ranks, as they are lost or late; returns whether one of
        them was waited for. A report that comes all the same is taken.
        """
        fresh = self.awaited.intersection(ranks)
        self.given_up |= fresh
        return bool(fresh)

    def too_late(self, item: Inventory) -> bool:
        """Whether a rank reports after the resources were found without it."""
        return item.rank in self.given_up and not self._ranks.test(item.rank)

    def define(self, resources: ResourceObject) -> None:
        """Set the instance's R."""
        self.resources = resources
        self._ranks = ranks_of(resources)

    def expire(self, when: float) -> bool:
        """Have the instance's R expire at another time, seconds since the epoch; returns whether it
        is another.
        """
        resources = self.resources
        if resources is None or expiration_of(resources) == when:
            return False
        execution: ResourceExecution = {**resources["execution"], "expiration": when}
        self.resources = {**resources, "execution": execution}
        return True

    def offline(self) -> IDset:
        """Return the ranks that are not online."""
        return IDset().set(0, self.size - 1).difference(self.online)

    def begin(self, brokers: IDset, *, force_up: bool) -> None:
        """Rank 0 is online, and so is each of ``brokers`` once it has reported; with ``force_up``
        all are, whoever reports.
        """
        everyone = IDset().set(0, self.size - 1)
        self._brokers.add(everyone if force_up else brokers).add(0)
        self._loaded.add(everyone if force_up else IDset(0))
        self.update_online()

    def add_brokers(self, ranks: IDset) -> None:
        """The brokers of ``ranks`` are online."""
        self._brokers.add(ranks)

    def lose_brokers(self, ranks: IDset) -> None:
        """The brokers of ``ranks`` have gone, and their modules with them."""
        self._brokers.subtract(ranks)
        self._loaded.subtract(ranks)

    def unload(self, ranks: IDset) -> None:
        """The modules of ``ranks`` are no longer loaded; they are again with their next report."""
        self._loaded.subtract(ranks)

    def update_online(self) -> tuple[IDset, IDset]:
        """Bring ``online`` up to date: the ranks whose broker is online and has the module loaded.
        Returns those that came and those that went.
        """
        now = IDset() if self.recovering else self._brokers.intersect(self._loaded)
        came, went = now.difference(self.online), self.online.difference(now)
        self.online = now
        return came, went

    # Administration

    def targets(self, text: str) -> IDset:
        """Return the ranks that an idset or hostlist names; raises OSError(EINVAL) with what is
        wrong about it.
        """
        try:
            ranks = IDset(text)
        except ValueError:
            return self._ranks_of_hosts(text)
        if not len(ranks):
            raise OSError(errno.EINVAL, "idset is empty")
        if ranks.last() >= self.size:
            raise OSError(errno.EINVAL, "idset is out of range")
        return ranks

    def exclusion(self, text: str) -> IDset:
        """Return the ranks that are to be excluded; raises OSError(EINVAL)."""
        if not text:
            return IDset()
        try:
            return self.targets(text)
        except OSError as exc:
            problem = f"error decoding exclude set {text[:MAX_SHOWN]}: {exc.strerror}"
            if is_idset(text):
                problem = f"exclude set {text} is out of range"
            raise OSError(errno.EINVAL, problem) from None

    def _ranks_of_hosts(self, text: str) -> IDset:
        try:
            wanted = Hostlist(text)
        except ValueError:
            raise OSError(errno.EINVAL, f"invalid targets: {text[:200]}") from None
        by_host: dict[str, list[int]] = {}
        for rank, host in (hosts_of(self.resources) if self.resources else self.names).items():
            by_host.setdefault(host, []).append(rank)
        unknown = [host for host in wanted if host not in by_host]
        if unknown or not len(wanted):
            raise OSError(
                errno.EINVAL, f"invalid targets: invalid hosts: {Hostlist(unknown).encode()[:200]}"
            )
        return IDset(rank for host in wanted for rank in by_host[host])

    def drain(self, ranks: IDset, reason: str, timestamp: float, since: bool = True) -> None:
        """Take ranks out of scheduling; those that are already, and stay so since when they were
        unless ``since``, for this reason.
        """
        entry = Drain(timestamp, reason)
        for rank in ranks:
            before = self.drained.get(rank)
            keeps = before is not None and not since
            self.drained[rank] = Drain(before.timestamp, reason) if before and keeps else entry

    def undrain(self, ranks: IDset, any_of_them: bool = False) -> IDset:
        """Give ranks back to scheduling, and return those that were drained; raises
        OSError(EINVAL) if one is not, unless ``any_of_them``.
        """
        missing = next((rank for rank in ranks if rank not in self.drained), None)
        if missing is not None and not any_of_them:
            raise OSError(errno.EINVAL, f"rank {missing} not drained")
        given = IDset([rank for rank in ranks if rank in self.drained])
        for rank in given:
            del self.drained[rank]
        return given

    def replay(self, entries: Iterable[JsonMapping]) -> None:
        """Restore drained ranks from the eventlog of an earlier run; entries about ranks that are
        gone are skipped.
        """
        for entry in entries:
            name, context = entry.get("name"), entry.get("context") or {}
            if name not in ("drain", "undrain"):
                continue
            try:
                ranks = IDset(str(context.get("idset", ""))).intersect(
                    IDset().set(0, self.size - 1)
                )
            except ValueError:
                continue
            if name == "drain":
                since = context.get("overwrite") != REASON_ONLY
                reason = str(context.get("reason") or "")
                self.drain(ranks, reason, float(entry["timestamp"]), since)
            else:
                self.undrain(ranks, any_of_them=True)

    # What others are told

    def up(self) -> IDset:
        """Return the ranks of R that may be scheduled."""
        return self.online.difference(self.exclude, IDset(self.drained)).intersect(self._ranks)

    def acquire(self) -> Acquired:
        """Return the first answer to ``resource.acquire`` and remember it as told.

        Excluded ranks are among the resources, as with flux-core, and never up: a scheduler counts
        them as down, and need not learn of new resources when they are no longer excluded.
        """
        assert self.resources is not None
        self._told = self.up()
        return {"resources": self.resources, "up": self._told.encode()}

    def replace_excluded(self, ranks: IDset) -> tuple[IDset, IDset]:
        """Exclude ``ranks`` and no others; returns those that were not excluded before, and those
        that are no longer.
        """
        added, removed = ranks.difference(self.exclude), self.exclude.difference(ranks)
        self.exclude = ranks
        return added, removed

    def take_changes(self) -> dict[str, str]:
        """Return which ranks went up or down since the last call; an empty object if none did."""
        now = self.up()
        up, down = now.difference(self._told), self._told.difference(now)
        self._told = now
        changes = {}
        if len(up):
            changes["up"] = up.encode()
        if len(down):
            changes["down"] = down.encode()
        return changes

    def status(self) -> dict[str, object]:
        """Return the answer to ``resource.status``."""
        groups: dict[Drain, IDset] = {}
        for rank in sorted(self.drained):
            groups.setdefault(self.drained[rank], IDset()).add(rank)
        drain = {
            ranks.encode(): {"timestamp": why.timestamp, "reason": why.reason}
            for why, ranks in groups.items()
        }
        return {
            "R": self.resources or NOTHING,
            "drain": drain,
            "online": self.online.encode(),
            "offline": self.offline().encode(),
            "exclude": self.exclude.encode(),
        }
