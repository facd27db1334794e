"""How long an instance that is a job of another has left: no job may ask for more, and one that
asks for nothing ends with it.
"""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Final

from broker.jobtap.arguments import Rejected
from flux.duration import fsd
from flux.job.updates import DURATION, expiration_of, member
from flux.kvs_flags import WAITCREATE, WATCH
from flux.kvs_rpc import lookup_request
from flux.kvs_txn import PRIMARY
from flux.treeobj import decode_val
from flux.wire import json

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.context import Context
    from broker.services.job_manager.machine import Machine
    from flux.wire.json import JsonMapping

RESOURCES: Final = "resource.R"
RETRY_SECONDS: Final = 0.5


class Lifetime:
    """Follows when the resources of the instance expire, as its R in the KVS says."""

    def __init__(self, ctx: Context, machine: Machine, turn_soon: Callable[[], None]) -> None:
        self._ctx = ctx
        self._machine = machine
        self._turn_soon = turn_soon
        self.expiration = 0.0

    def begin(self) -> None:
        """Follow it, if this instance is a job: the resources of others do not expire."""
        attrs = self._ctx.attrs
        if attrs.get("parent-uri") and attrs.get("jobid"):
            self._ctx.spawn(self._follow(), "job-manager:lifetime")

    async def _follow(self) -> None:
        """Learn what R says, until the instance ends; without kvs-watch once it is loaded again."""
        topic, payload = lookup_request(RESOURCES, WATCH | WAITCREATE, PRIMARY)
        waiting = False
        while True:
            try:
                async with self._ctx.handle.stream(
                    topic, payload, cancel="kvs-watch.cancel"
                ) as answers:
                    async for answer in answers:
                        waiting = False
                        self._read(answer)
                return
            except OSError as exc:
                if exc.errno != errno.ENOSYS:
                    self._ctx.log.err(f"{RESOURCES}: {exc.strerror}")
                    return
                if not waiting:
                    self._ctx.log.warning(
                        f"{RESOURCES}: {exc.strerror}: when this instance expires is followed"
                        " again once kvs-watch is loaded"
                    )
                waiting = True
            await asyncio.sleep(RETRY_SECONDS)

    def _read(self, answer: JsonMapping) -> None:
        try:
            self.learn(expiration_of(json.loads(decode_val(answer["val"]))))
        except (KeyError, ValueError) as exc:
            self._ctx.log.err(f"{RESOURCES}: {exc}")

    def learn(self, expiration: float) -> None:
        """The resources expire then, in seconds since the epoch, 0 for never; and with them the
        jobs that have no time limit of their own.
        """
        if expiration == self.expiration:
            return
        self.expiration = expiration
        for job in list(self._machine.jobs.values()):
            if job.has_resources and job.resources and not _duration(job.jobspec or {}):
                self._machine.expire(job, expiration)
        self._turn_soon()

    def check(self, jobspec: JsonMapping) -> None:
        """Raise Rejected for a job that would be longer than the instance."""
        duration = _duration(jobspec)
        left = self.expiration - self._ctx.now()
        if self.expiration and duration > left:
            raise Rejected(
                f"job duration ({fsd(duration, 2)}) exceeds remaining instance lifetime"
                f" ({fsd(left, 2)})"
            )


def _duration(jobspec: JsonMapping) -> float:
    value = member(jobspec, DURATION)
    return float(value) if isinstance(value, int | float) else 0.0
