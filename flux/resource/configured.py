"""R as ``resource.config`` describes it (flux-config-resource(5)), for the broker that has such
hosts and for ``flux R parse-config``, which looks at a file. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from flux.constraint.match import check_property
from flux.hostlist import Hostlist
from flux.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from flux.job.types import RankResources, ResourceExecution, ResourceObject
    from flux.wire.json import JsonMapping


class ConfiguredHosts(Protocol):
    """An element of ``resource.config``: what some hosts have, cores and GPUs as idsets."""

    @property
    def hosts(self) -> Sequence[str]:
        """Their names."""

    @property
    def cores(self) -> str:
        """Ids of cores, empty if the element does not say."""

    @property
    def gpus(self) -> str:
        """Ids of GPUs, empty if the element does not say."""

    @property
    def properties(self) -> Sequence[str]:
        """Words that constraints name."""


def make_r(
    entries: list[RankResources],
    hosts: Sequence[str],
    starttime: float = 0.0,
    expiration: float = 0.0,
    properties: Mapping[str, str] | None = None,
) -> ResourceObject:
    """Return an R of ``R_lite`` entries, host names in rank order, and the idsets of ranks that
    have each property.
    """
    execution: ResourceExecution = {
        "R_lite": entries,
        "starttime": starttime,
        "expiration": expiration,
        "nodelist": [Hostlist(list(hosts)).encode()],
    }
    if properties:
        execution["properties"] = dict(properties)
    return {"version": 1, "execution": execution}


def configured_resources(
    elements: Iterable[ConfiguredHosts], ranked: Sequence[str] = (), size: int | None = None
) -> ResourceObject:
    """Return the R of some elements; what one says counts more than what those before it did.

    Ranks are the places of hosts in ``ranked``, the brokers of ``[bootstrap]``, or else in the
    order in which the elements name them. Raises ValueError for a host whose rank is not below
    ``size``, the number of brokers, or for which no element names cores.
    """
    elements = list(elements)
    order = list(ranked) or list(dict.fromkeys(host for one in elements for host in one.hosts))
    rank_of = {host: rank for rank, host in reversed(list(enumerate(order)))}
    cores: dict[int, str] = {}
    gpus: dict[int, str] = {}
    properties: dict[str, IDset] = {}
    for element in elements:
        for host in element.hosts:
            rank = rank_of.get(host)
            if rank is None or (size is not None and rank >= size):
                raise ValueError(f"{host} has no broker in this instance")
            cores[rank] = element.cores or cores.get(rank, "")
            gpus[rank] = element.gpus or gpus.get(rank, "")
            for name in element.properties:
                properties.setdefault(name, IDset()).add(rank)
    groups: dict[tuple[str, str], list[int]] = {}
    for rank in sorted(cores):
        if not cores[rank]:
            raise ValueError(f"{order[rank]} assigned no resources")
        groups.setdefault((cores[rank], gpus[rank]), []).append(rank)
    lite: list[RankResources] = [
        {
            "rank": IDset(ranks).encode(),
            "children": {"core": ids} | ({"gpu": gpu_ids} if gpu_ids else {}),
        }
        for (ids, gpu_ids), ranks in groups.items()
    ]
    encoded = {name: ranks.encode() for name, ranks in sorted(properties.items())}
    return make_r(lite, [order[rank] for rank in sorted(cores)], properties=encoded)


@dataclass(frozen=True, slots=True)
class _Element:
    """What the table of an element says."""

    hosts: Sequence[str]
    cores: str
    gpus: str
    properties: Sequence[str]


def described_resources(tables: JsonMapping) -> ResourceObject:
    """Return the R that a configuration describes, for hosts in the order of their names there.
    Raises ValueError if it describes none, or is malformed.
    """
    resource = tables.get("resource")
    if not isinstance(resource, dict) or "config" not in resource:
        raise ValueError("resource.config must be defined")
    elements = resource["config"]
    if not isinstance(elements, list) or not elements:
        raise ValueError("resource.config: no hosts configured")
    found = []
    for index, element in enumerate(elements):
        try:
            found.append(_read(element))
        except ValueError as exc:
            raise ValueError(f"config[{index}]: {exc}") from None
    try:
        return configured_resources(found)
    except ValueError as exc:
        raise ValueError(f"resource.config: {exc}") from None


def _read(element: object) -> _Element:
    if not isinstance(element, dict):
        raise ValueError("it is no table")
    text = element.get("hosts")
    if not isinstance(text, str):
        raise ValueError("hosts is missing" if text is None else "hosts is no hostlist")
    try:
        hosts = list(Hostlist(text))
    except ValueError:
        raise ValueError(f"invalid hostlist '{text}'") from None
    cores, gpus = (_ids(key, element[key]) if key in element else "" for key in ("cores", "gpus"))
    names = element.get("properties", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("properties is no list of words")
    for name in names:
        check_property(name)
    return _Element(hosts, cores, gpus, names)


def _ids(key: str, value: object) -> str:
    try:
        ids = IDset(value) if isinstance(value, str) else IDset()
    except ValueError:
        ids = IDset()
    if not ids:
        raise ValueError(f"invalid idset {key}='{value}'")
    return ids.encode()
