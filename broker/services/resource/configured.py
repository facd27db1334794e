"""The R that ``resource.config`` describes (flux-config-resource(5)). Pure."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from broker.services.resource.state import make_r
from flux.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broker.configuration.tables import ResourceEntry
    from flux.job.types import RankResources, ResourceObject


def configured_resources(
    entries: Sequence[ResourceEntry], hosts: Sequence[str], size: int
) -> ResourceObject:
    """Return the R of an instance of ``size`` brokers; what an entry says counts more than what
    entries before it did.

    Ranks are those of ``hosts``, the brokers of ``[bootstrap]``, or else the order in which the
    entries name hosts. Raises OSError(EINVAL) for a host without a broker.
    """
    order = list(hosts) or list(dict.fromkeys(host for entry in entries for host in entry.hosts))
    rank_of = {host: rank for rank, host in reversed(list(enumerate(order)))}
    cores: dict[int, str] = {}
    gpus: dict[int, str] = {}
    properties: dict[str, IDset] = {}
    for entry in entries:
        for host in entry.hosts:
            rank = rank_of.get(host, size)
            if rank >= size:
                raise OSError(errno.EINVAL, f"{host} has no broker in this instance")
            if entry.cores:
                cores[rank] = entry.cores
            if entry.gpus:
                gpus[rank] = entry.gpus
            for name in entry.properties:
                properties.setdefault(name, IDset()).add(rank)
    groups: dict[tuple[str, str], list[int]] = {}
    for rank in sorted(cores):
        groups.setdefault((cores[rank], gpus.get(rank, "")), []).append(rank)
    lite: list[RankResources] = [
        {
            "rank": IDset(ranks).encode(),
            "children": {"core": ids} | ({"gpu": gpu_ids} if gpu_ids else {}),
        }
        for (ids, gpu_ids), ranks in groups.items()
    ]
    encoded = {name: ranks.encode() for name, ranks in sorted(properties.items())}
    return make_r(lite, [order[rank] for rank in sorted(cores)], properties=encoded)
