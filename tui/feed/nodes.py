"""What the screen of nodes asks an instance."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from flux.idset import IDset
from flux.overlay import LOST
from flux.wire.errors import may_be_unknown
from tui.model.nodes import Children, NodeRow, Occupants, by_rank, nodes
from tui.model.overlay import TreeBroker, broker_tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flux.wire.json import JsonObject
    from tui.feed.base import Feed
    from tui.model.table import JobTable

AT_ONCE: Final = 64
"""Jobs whose resources are asked for in one go."""


async def read_nodes(feed: Feed, table: JobTable, occupants: Occupants) -> list[NodeRow]:
    """Return all nodes, and bring up to date who is on them; raises OSError."""
    status, scheduler, lost = await asyncio.gather(
        feed.ask("resource.status", rank=0), scheduled(feed), lost_ranks(feed)
    )
    await _update(occupants, table)
    if occupants.unknown:
        await _look_up(feed, occupants)
        await _update(occupants, table)
    return nodes(status, scheduler, occupants.counts(), lost)


async def _update(occupants: Occupants, table: JobTable) -> None:
    for _ in occupants.update(table):
        await asyncio.sleep(0)  # the keys and the other views come first


async def scheduled(feed: Feed) -> JsonObject:
    """Return what the scheduler has given away; flux-core's resource module answers for it since
    0.50, and nobody while there is no scheduler.
    """
    for topic, rank in (("sched.resource-status", None), ("resource.sched-status", 0)):
        try:
            return await (feed.ask(topic) if rank is None else feed.ask(topic, rank=rank))
        except OSError as error:
            if not may_be_unknown(error.errno):
                raise
    return {}


async def _look_up(feed: Feed, occupants: Occupants) -> None:
    """Ask for the resources of jobs whose scheduler does not say where they are. Those of other
    users may be refused: then they are in use by somebody.
    """
    jobs = occupants.unknown[:AT_ONCE]

    async def one(jobid: int) -> None:
        found: dict[int, Children] = {}
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            found = by_rank((await feed.lookup(jobid)).get("R"))
        occupants.resources[jobid] = found

    await asyncio.gather(*map(one, jobs))


async def lost_ranks(feed: Feed) -> dict[int, str]:
    """Return the brokers that their parents have lost, with a word on it; none if the instance does
    not tell.
    """
    try:
        brokers = await read_tree(feed)
    except OSError:
        return {}
    return {broker.rank: "lost contact" for broker in brokers if broker.status == LOST}


async def read_tree(feed: Feed) -> list[TreeBroker]:
    """Return the brokers in the order of the tree, each after its parent; raises OSError.

    What is below a broker is asked only if it is not whole.
    """
    shape, health = await asyncio.gather(
        feed.ask("overlay.topology", {"rank": 0}, rank=0), feed.ask("overlay.health", rank=0)
    )
    known = {0: health}
    asked = _broken(health)
    while asked:
        answers = await asyncio.gather(*(_health(feed, rank) for rank in asked[:AT_ONCE]))
        found = dict(zip(asked, answers, strict=False))
        known.update({rank: answer for rank, answer in found.items() if answer})
        asked = asked[AT_ONCE:] + [rank for answer in answers for rank in _broken(answer)]
    return broker_tree(shape, known)


def _broken(health: JsonObject) -> list[int]:
    """Return the children of a broker that can be asked what is wrong below them."""
    return [
        int(child["rank"])
        for child in health.get("children") or ()
        if child["status"] in ("partial", "degraded")
    ]


async def _health(feed: Feed, rank: int) -> JsonObject:
    try:
        return await feed.ask("overlay.health", rank=rank)
    except OSError:
        return {}


def _ranks(chosen: Sequence[NodeRow]) -> str:
    return IDset([node.rank for node in chosen]).encode()


async def drain(feed: Feed, chosen: Sequence[NodeRow], reason: str) -> None:
    """Take nodes out of scheduling; raises OSError."""
    await feed.ask("resource.drain", {"targets": _ranks(chosen), "reason": reason}, rank=0)


async def undrain(feed: Feed, chosen: Sequence[NodeRow]) -> None:
    """Give nodes back to the scheduler; raises OSError."""
    await feed.ask("resource.undrain", {"targets": _ranks(chosen)}, rank=0)
