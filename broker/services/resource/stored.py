"""An R that was put into the KVS, as ``resource.R``, before the module was loaded, or that a file
holds; and whether the ranks have what a given R says. Pure but for looking these up.
"""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING, Final

from broker.services.resource.state import Inventory, ranks_of
from flux.constraint.match import check_property
from flux.hostlist import Hostlist
from flux.idset import IDset
from flux.kvs_txn import PRIMARY
from flux.treeobj import decode_val
from flux.wire import json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broker.context import Context
    from flux.job.types import ResourceObject
    from flux.wire.json import JsonMapping

KEY: Final = "resource.R"
FOUND_BY_US: Final = frozenset({"dynamic-discovery", "enclosing-instance", "fake-resources"})
"""How an earlier module came by an R that is out of date by now: it is looked for again."""


def last_method(entries: Iterable[JsonMapping]) -> str | None:
    """Return how the last module came by its R, None if the eventlog ``entries`` do not tell."""
    methods = [
        (entry.get("context") or {}).get("method")
        for entry in entries
        if entry.get("name") == "resource-define"
    ]
    return methods[-1] if methods else None


async def stored_resources(
    ctx: Context, entries: Iterable[JsonMapping], size: int | None
) -> ResourceObject | None:
    """Return the R that somebody put into the KVS for an instance of ``size``, or of any size;
    ``entries`` are the eventlog's so far.

    None if there is none, or only one that an earlier module found out by itself. Raises
    OSError(EINVAL) if it is not an R of this instance.
    """
    if last_method(entries) in FOUND_BY_US:
        return None
    try:
        answer = await ctx.handle.rpc("kvs.lookup", {"key": KEY, "namespace": PRIMARY, "flags": 0})
    except OSError as exc:
        if exc.errno in (errno.ENOENT, errno.ENOSYS):
            return None
        raise
    try:
        return checked_resources(json.loads(decode_val(answer["val"])), size)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise OSError(errno.EINVAL, f"error parsing {KEY} of the KVS: no valid R") from None


def resources_in(path: str, size: int | None) -> tuple[ResourceObject, bytes]:
    """Return the R in a file, for an instance of ``size`` or of any size, and the bytes it is
    written in; raises OSError.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as exc:
        raise OSError(exc.errno, f"{path}: {exc.strerror}") from None
    except ValueError:  # a null byte
        raise OSError(errno.EINVAL, "no file has such a name") from None
    try:
        return checked_resources(json.loads(data), size), data
    except OSError as exc:
        raise OSError(exc.errno, f"{path}: {exc.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise OSError(errno.EINVAL, f"{path}: error parsing R: invalid R") from None


def checked_resources(resources: ResourceObject, size: int | None) -> ResourceObject:
    """Return an R; raises OSError(EINVAL) if it is of another version or has no rank of an instance
    of ``size``, if that is given, ValueError, KeyError or TypeError if it is none.
    """
    if resources.get("version") != 1:
        raise OSError(errno.EINVAL, f"error parsing R: invalid version={resources.get('version')}")
    ranks = ranks_of(resources)
    for entry in resources["execution"]["R_lite"]:
        for ids in entry["children"].values():
            IDset(str(ids))
    _check_properties(resources, ranks)
    if not len(ranks) or (size is not None and ranks.last() >= size):
        raise OSError(errno.EINVAL, "R contains ranks that are not part of this instance")
    nodelist = resources["execution"].get("nodelist") or []
    if nodelist and len(Hostlist(list(nodelist))) != len(ranks):
        raise OSError(errno.EINVAL, "the nodelist of R does not match its number of ranks")
    return resources


def _check_properties(resources: ResourceObject, ranks: IDset) -> None:
    """Raise OSError(EINVAL) for properties of ranks that an R does not have, ValueError for what
    cannot be one.
    """
    for name, text in (resources["execution"].get("properties") or {}).items():
        strange = IDset(str(text)).difference(ranks)
        if len(strange):
            problem = (
                f"property {check_property(name)} is of ranks {strange}, which R does not have"
            )
            raise OSError(errno.EINVAL, problem)
        check_property(name)


def lacking(resources: ResourceObject, item: Inventory) -> str:
    """Return why a rank is not what R says, such as ``missing resources: core[2-3],gpu0``; empty
    if it has all.

    Other kinds than cores and GPUs are not looked at.
    """
    if item.rank not in ranks_of(resources):
        return "not found in expected ranks"
    wanted = {"core": IDset(), "gpu": IDset()}
    for entry in resources["execution"]["R_lite"]:
        if item.rank in IDset(str(entry["rank"])):
            for kind, ids in entry["children"].items():
                if kind in wanted:
                    wanted[kind].add(IDset(str(ids)))
    there = {"core": IDset(item.cores), "gpu": IDset(item.gpus)}
    missing = {kind: wanted[kind].difference(there[kind]) for kind in wanted}
    lacks = ",".join(
        f"{kind}[{ids.encode()}]" if len(ids) > 1 else f"{kind}{ids.encode()}"
        for kind, ids in missing.items()
        if len(ids)
    )
    return f"missing resources: {lacks}" if lacks else ""
