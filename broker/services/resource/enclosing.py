"""Resources of an instance that runs as a job of another: the job's R, renumbered, and when they
expire.
"""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Final

from broker.services.resource.state import ranks_of, renumber
from flux.aio import AsyncFlux
from flux.job.JobID import JobID
from flux.job.updates import expiration_of
from flux.wire import json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from broker.context import Context
    from flux.job.types import ResourceObject

TIMEOUT_SECONDS: Final = 30.0
RETRY_SECONDS: Final = 0.5


async def enclosing_resources(ctx: Context) -> ResourceObject | None:
    """Return the R that the enclosing instance gave to this one.

    None when there is no enclosing instance, or when the brokers are not one for each of the job's
    nodes: then each broker's own view of its machine counts.
    """
    uri, jobid = ctx.attrs.get("parent-uri"), ctx.attrs.get("jobid")
    if not uri or not jobid:
        return None
    try:
        async with await AsyncFlux.connect(uri) as parent:
            request = {"id": int(JobID(jobid)), "keys": ["R"], "flags": 0}
            answer = await parent.rpc("job-info.lookup", request, timeout=TIMEOUT_SECONDS)
    except (OSError, ValueError) as exc:
        ctx.log.warning(f"resources of the enclosing instance are not available: {exc}")
        return None
    resources: ResourceObject = json.loads(answer["R"])
    return renumber(resources) if len(ranks_of(resources)) == ctx.size else None


async def expirations(ctx: Context) -> AsyncIterator[float]:
    """Yield when the job that is this instance expires (seconds since the epoch, 0 for never): now,
    and whenever that has changed, until the enclosing instance does not tell any more.
    """
    uri, jobid = ctx.attrs.get("parent-uri"), ctx.attrs.get("jobid")
    if not uri or not jobid:
        return
    request = {"id": int(JobID(jobid)), "key": "R", "flags": 0}
    try:
        async with await AsyncFlux.connect(uri) as parent:
            async for expiration in _told(ctx, parent, request):
                yield expiration
    except (OSError, ValueError) as exc:  # one of 0.29 has no updates
        ctx.log.debug(f"the enclosing instance does not tell when this one expires: {exc}")


async def _told(
    ctx: Context, parent: AsyncFlux, request: dict[str, object]
) -> AsyncIterator[float]:
    """Yield what the job-info of the enclosing instance tells; while it is reloaded there, wait
    for it. Raises OSError: ENOSYS if it never told anything, or that of the connection.
    """
    cancel = "job-info.update-watch-cancel"
    telling = was_telling = False
    while True:
        try:
            async with parent.stream("job-info.update-watch", request, cancel=cancel) as answers:
                async for answer in answers:
                    telling = was_telling = True
                    yield expiration_of(answer.get("R"))
            return
        except OSError as exc:
            if exc.errno != errno.ENOSYS or not was_telling:
                raise
            if telling:
                ctx.log.warning(
                    "job-info of the enclosing instance is gone: when this one expires is followed"
                    " again once it is back"
                )
            telling = False
        await asyncio.sleep(RETRY_SECONDS)
