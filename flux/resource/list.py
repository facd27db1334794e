"""What resources an instance has and how they are: the scheduler's and the resource module's view
of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from flux.constants import FLUX_NODEID_ANY
from flux.hostlist import Hostlist
from flux.idset import IDset
from flux.resource.ResourceSet import ResourceSet
from flux.rpc import RPC
from flux.wire.errors import may_be_unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flux.core.handle import Flux
    from flux.core.interface import Requester
    from flux.wire.json import JsonMapping, JsonObject


class SchedResourceList:
    """The scheduler's resources by state, made from the answer to ``sched.resource-status``.

    ``all`` is everything, ``down`` what may not be used, ``allocated`` what jobs hold, ``up`` all
    but down, ``free`` what is up and not allocated.
    """

    STATES = ("all", "up", "down", "allocated", "free")

    def __init__(self, resp: JsonMapping) -> None:
        everything, *parts = (ResourceSet(resp.get(key)) for key in ("all", "down", "allocated"))
        # Schedulers of today's flux-core tell the hosts and properties of all resources only.
        bare = [part.nnodes and not len(part.nodelist) for part in parts]
        known = [
            everything & part if lacks else part for part, lacks in zip(parts, bare, strict=True)
        ]
        self._derive(everything, *known)

    def _derive(self, everything: ResourceSet, down: ResourceSet, allocated: ResourceSet) -> None:
        self.all = self._named("all", everything)
        self.down = self._named("down", down)
        self.allocated = self._named("allocated", allocated)
        self.up = self._named("up", self.all - self.down)
        self.free = self._named("free", self.up - self.allocated)

    @staticmethod
    def _named(state: str, resources: ResourceSet) -> ResourceSet:
        resources.state = state
        return resources

    def only(self, part: Callable[[ResourceSet], ResourceSet]) -> SchedResourceList:
        """Return the part of each set that a function gives."""
        made = SchedResourceList({})
        made._derive(part(self.all), part(self.down), part(self.allocated))
        return made

    def copy_constraint(self, constraint: str | bytes | Mapping[str, object]) -> SchedResourceList:
        """Return the part of each set that a constraint allows; see `ResourceSet`."""
        return self.only(lambda found: found.copy_constraint(constraint))

    def filter(self, include: IDset | Hostlist | str) -> SchedResourceList:
        """Leave nothing but some ranks or hosts, and return self; raises FileNotFoundError for a
        host that there is not, ValueError for what lists neither.
        """
        ranks = _ranks_of(self.all, include)
        part = self.only(lambda found: found.copy_ranks(found.ranks.intersect(ranks)))
        vars(self).update(vars(part))
        return self

    def __getitem__(self, state: str) -> ResourceSet:
        if state not in self.STATES:
            raise KeyError(state)
        resources: ResourceSet = getattr(self, state)
        return resources


def _ranks_of(resources: ResourceSet, include: IDset | Hostlist | str) -> IDset:
    """Return ranks that are named by themselves or by their hosts."""
    if isinstance(include, IDset):
        return include
    if isinstance(include, str):
        try:
            return IDset(include)
        except ValueError:
            include = Hostlist(include)
    return IDset(resources.host_ranks(include))


class ResourceListRPC(RPC):
    """A query of the scheduler's resources."""

    def __init__(
        self,
        flux_handle: Requester,
        topic: str = "sched.resource-status",
        nodeid: int = FLUX_NODEID_ANY,
    ) -> None:
        super().__init__(flux_handle, topic, None, nodeid)
        self._flux = flux_handle

    def get(self) -> SchedResourceList:
        """Wait for the answer; raises OSError."""
        return SchedResourceList(self.get_dict())

    def get_dict(self) -> JsonObject:
        """Wait for the answer and return it as it came; raises OSError. Where the scheduler does
        not answer, later flux-cores have the resource module do it.
        """
        answer: JsonObject
        try:
            answer = super().get()
        except OSError as refusal:
            if not may_be_unknown(refusal.errno):
                raise
            try:
                answer = RPC(self._flux, "resource.sched-status", None, 0).get()
            except OSError:
                raise refusal from None
        return answer


class DrainInfo(NamedTuple):
    """Which ranks were drained together, when (seconds since the epoch) and why."""

    ranks: IDset
    timestamp: float
    reason: str


_NOTHING: Final[JsonMapping] = {
    "R": None,
    "drain": {},
    "online": "",
    "offline": "",
    "exclude": "",
}
"""The answer of an instance without ranks."""


class ResourceStatus:
    """Which ranks of an instance are online, drained or excluded, made from the answer to
    ``resource.status``.

    ``allocated_ranks`` are those that jobs hold: drained ranks among them are ``draining`` until
    these end. ``housekeeping`` are ranks that are held for what runs there after jobs.
    """

    STATES = (
        *("all", "online", "avail", "offline", "exclude", "drain", "drained", "draining"),
        *("torpid", "allocated", "housekeeping"),
    )

    def __init__(
        self,
        rstatus: JsonMapping | None = None,
        allocated_ranks: IDset | None = None,
        housekeeping_ranks: IDset | None = None,
    ) -> None:
        self.rstatus = rstatus = _NOTHING if rstatus is None else rstatus
        self.allocated_ranks = allocated_ranks or IDset()
        self.housekeeping_ranks = housekeeping_ranks or IDset()
        self.rset = ResourceSet(rstatus["R"])
        self.hosts = dict(zip(self.rset.ranks, self.rset.nodelist, strict=False))
        self.drained_by: dict[str, JsonMapping] = dict(rstatus["drain"])
        self.all = self.rset.ranks
        self.online = IDset(rstatus["online"])
        self.offline = IDset(rstatus["offline"])
        self.exclude = IDset(rstatus["exclude"])
        self.torpid = IDset(rstatus.get("torpid") or "")
        self.drain = IDset().union(*self.drained_by)
        self.allocated = self.allocated_ranks.copy()
        self.housekeeping = self.housekeeping_ranks.copy()
        self._derive()

    def _derive(self) -> None:
        self.avail = self.online.difference(self.exclude, self.drain)
        self.draining = self.drain.intersect(self.allocated)
        self.drained = self.drain.difference(self.allocated)

    def __getitem__(self, state: str) -> IDset:
        if state not in self.STATES:
            raise KeyError(state)
        ranks: IDset = getattr(self, state)
        return ranks

    def get_idset(self, *args: str) -> IDset:
        """Return the ranks in any of some states; KeyError for a state that there is not."""
        return IDset().union(*(self[state] for state in args))

    def get_drain_info(self, rank: int) -> DrainInfo | None:
        """Return how a rank was drained, None if it is not."""
        return next(
            (found for found in self.drain_info if rank in found.ranks),
            None,
        )

    def filter(self, include: IDset | Hostlist | str) -> ResourceStatus:
        """Leave nothing but some ranks or hosts, and return self; errors are those of
        `SchedResourceList.filter`.
        """
        ranks = _ranks_of(self.rset, include)
        for state in ("all", "online", "offline", "exclude", "torpid", "drain", "allocated"):
            setattr(self, state, self[state].intersect(ranks))
        self.housekeeping = self.housekeeping.intersect(ranks)
        self._derive()
        return self

    @property
    def nodelist(self) -> Hostlist:
        """The hosts of all ranks."""
        return self.hosts_of(self.all)

    def hosts_of(self, ranks: IDset) -> Hostlist:
        """Return the hosts of some ranks."""
        return Hostlist([self.hosts[rank] for rank in ranks if rank in self.hosts])

    @property
    def drain_info(self) -> list[DrainInfo]:
        """Each drain, the lowest ranks first."""
        return [
            DrainInfo(IDset(ranks), float(info["timestamp"]), str(info["reason"]))
            for ranks, info in sorted(
                self.drained_by.items(), key=lambda item: IDset(item[0]).first()
            )
        ]


class StatusRPC(RPC):
    """A query of the resource module."""

    def __init__(self, flux_handle: Flux, nodeid: int = FLUX_NODEID_ANY) -> None:
        super().__init__(flux_handle, "resource.status", None, nodeid)

    def get(self) -> ResourceStatus:
        """Wait for the answer; raises OSError."""
        return ResourceStatus(super().get())

    def get_dict(self) -> JsonObject:
        """Wait for the answer and return it as it came; raises OSError."""
        answer: JsonObject = super().get()
        return answer


def resource_list(flux_handle: Flux) -> ResourceListRPC:
    """Ask the scheduler for its resources."""
    return ResourceListRPC(flux_handle)


def resource_status(flux_handle: Flux, nodeid: int = FLUX_NODEID_ANY) -> StatusRPC:
    """Ask the resource module for the state of the ranks."""
    return StatusRPC(flux_handle, nodeid)
