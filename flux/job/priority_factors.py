"""The factors of jobs' priorities, as the multifactor plugin tells them: for programs and
``flux priority``.
"""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from flux.constants import FLUX_RPC_STREAMING
from flux.rpc import RPC

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flux.core.interface import Requester
    from flux.wire.json import JsonMapping, JsonObject

SERVICE: Final = "job-manager.priority-multifactor"
FIELDS: Final = (
    "id",
    "userid",
    "user",
    "queue",
    "account",
    "qos_name",
    "priority",
    "site",
    "age",
    "assoc",
    "fairshare",
    "jobsize",
    "partition",
    "qos",
    "nice",
    "tres",
)
"""What is told of each job, in this order."""
NOT_LOADED: Final = (
    "priorities have one factor, the urgency: there is no [priority] in the configuration"
)


class JobPriority(NamedTuple):
    """A waiting job: its priority and what that is made of.

    ``age`` to ``qos`` are factors from 0 to 1 unless they are not normalized, ``tres`` one for each
    trackable resource with a weight; ``site`` is added, ``nice`` taken off.
    """

    id: int
    userid: int
    user: str
    queue: str
    account: str
    qos_name: str
    priority: int
    site: int
    age: float
    assoc: float
    fairshare: float
    jobsize: float
    partition: float
    qos: float
    nice: int
    tres: list[float]


class PriorityQuery:
    """A query of the jobs that wait, of these ids, users and queues only if they are given.

    ``weights`` has the weight of each factor. Raises OSError: ENOSYS with a sentence if priorities
    do not have several factors.
    """

    def __init__(
        self,
        flux_handle: Requester,
        ids: Sequence[int] | None = None,
        userids: Sequence[int] | None = None,
        queues: Sequence[str] | None = None,
    ) -> None:
        wanted = {"ids": ids, "userids": userids, "queues": queues}
        payload = {key: list(value) for key, value in wanted.items() if value is not None}
        rpc = RPC(flux_handle, f"{SERVICE}.list", payload, flags=FLUX_RPC_STREAMING)
        self._answers: Iterator[JsonObject] = iter(rpc)
        with _explained():
            self.weights: JsonMapping = next(self._answers)["weights"]

    def pages(self) -> Iterator[list[JobPriority]]:
        """Yield the jobs, some at a time, in the order of their ids; raises OSError."""
        for answer in self._answers:
            yield [JobPriority(*row) for row in answer["jobs"]]


def weights_of(flux_handle: Requester) -> JsonMapping:
    """Return the weight of each factor; raises OSError as `PriorityQuery` does."""
    with _explained():
        weights: JsonMapping = RPC(flux_handle, f"{SERVICE}.weights", {}).get()
        return weights


@contextmanager
def _explained() -> Iterator[None]:
    """Say what it means that there is no such service."""
    try:
        yield
    except OSError as exc:
        if exc.errno == errno.ENOSYS:
            raise OSError(errno.ENOSYS, NOT_LOADED) from None
        raise
