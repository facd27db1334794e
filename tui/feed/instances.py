"""Looking into the instances inside an instance, each over a connection of its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from tui.model.instances import DEEPEST, InnerInstance, InstanceLook

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flux.wire.json import JsonMapping
    from tui.feed.base import Feed

AT_ONCE: Final = 8
"""Instances that are looked into at a time."""
MOST: Final = 200
"""Instances that are looked into at all; the rest are listed and left alone."""
PATIENCE: Final = 5.0
"""Seconds that one instance may take to answer."""


def inner_of(jobs: Iterable[JsonMapping]) -> tuple[InnerInstance, ...]:
    """Return those of job-list's records that are instances."""
    found = []
    for job in jobs:
        uri = ((job.get("annotations") or {}).get("user") or {}).get("uri")
        if isinstance(uri, str) and uri:
            found.append(
                InnerInstance(
                    jobid=int(job["id"]),
                    name=str(job.get("name") or ""),
                    userid=int(job.get("userid", -1)),
                    uri=uri,
                    started=float(job.get("t_run") or 0.0),
                    nnodes=int(job.get("nnodes") or 0),
                    ntasks=int(job.get("ntasks") or 0),
                )
            )
    return tuple(found)


async def look_around(feed: Feed) -> dict[tuple[int, ...], InstanceLook]:
    """Look into the instance of ``feed`` and all those in it, level by level; what cannot be looked
    into says why. Raises OSError if this instance itself does not answer.
    """
    looks: dict[tuple[int, ...], InstanceLook] = {(): await feed.look()}
    level: list[tuple[tuple[int, ...], InnerInstance]]
    level = [((job.jobid,), job) for job in looks[()].inner]
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(path: tuple[int, ...], job: InnerInstance) -> None:
        async with limit:
            try:
                async with asyncio.timeout(PATIENCE):
                    looks[path] = await feed.look(job.uri)
            except TimeoutError:
                looks[path] = InstanceLook(trouble="does not answer")
            except OSError as error:
                looks[path] = InstanceLook(trouble=str(error.strerror or error))

    while level and len(level[0][0]) <= DEEPEST:
        left = max(0, MOST - len(looks))
        await asyncio.gather(*(one(path, job) for path, job in level[:left]))
        for path, _ in level[left:]:
            looks[path] = InstanceLook(trouble="too many to look into")
        level = [((*path, job.jobid), job) for path, _ in level[:left] for job in looks[path].inner]
    return looks
