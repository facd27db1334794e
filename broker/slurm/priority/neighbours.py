"""What the multifactor priority learns from other services, and leaves with them: the size of the
machine, and the usage of users beyond a restart.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from broker.log import ERR
from broker.slurm.priority.factors import MachineTotals
from broker.slurm.priority.machine_size import queue_totals, totals_of
from broker.slurm.priority.shares import KEY
from flux.kvs_txn import PRIMARY, commit_request, put_op
from flux.treeobj import decode_val
from flux.wire import json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from broker.jobtap.future import PluginFuture
    from broker.jobtap.handle import PluginHandle
    from broker.slurm.priority.shares import Shares

RPC_TIMEOUT: Final = 60.0
"""Seconds for an answer."""
_NONSENSE: Final = (ValueError, KeyError, TypeError, AttributeError)


class MachineSize:
    """How much the instance has, and each queue that has a part of it."""

    def __init__(self, flux: PluginHandle) -> None:
        self._flux = flux
        self.totals = MachineTotals()
        self.queues: dict[str, MachineTotals] = {}
        self.changed = False

    async def learn(self, requires: Mapping[str, Iterable[str]]) -> bool:
        """Ask how large the machine is, and each queue by the properties that it ``requires``;
        returns whether to go on: it is known, or there is nobody to ask. ``changed`` tells whether
        it is another one.
        """
        self.changed = False
        try:
            answer = await self._flux.rpc("resource.status", timeout=RPC_TIMEOUT)
            totals = totals_of(answer["R"])
            queues = queue_totals(answer["R"], requires)
        except OSError:
            return True
        except _NONSENSE as exc:
            self._flux.log(ERR, f"the size of the machine is unknown: {type(exc).__name__}: {exc}")
            return True
        if not totals.nodes:
            return False
        self.changed = (totals, queues) != (self.totals, self.queues)
        self.totals, self.queues = totals, queues
        return True


async def load_usage(flux: PluginHandle, shares: Shares, clock: float) -> None:
    """Read the usage that an earlier instance has kept; the log says why if it cannot be read."""
    request = {"key": KEY, "namespace": PRIMARY, "flags": 0}
    try:
        answer = await flux.rpc("kvs.lookup", request, timeout=RPC_TIMEOUT)
        shares.take(json.loads(decode_val(answer["val"])), flux.now(), clock)
    except OSError as exc:
        if exc.errno not in (errno.ENOENT, errno.ENOSYS):
            flux.log(ERR, f"usage cannot be read, and begins with 0: {exc.strerror}")
    except _NONSENSE as exc:
        flux.log(ERR, f"usage as it was kept makes no sense, and begins with 0: {exc}")


def keep_usage(flux: PluginHandle, shares: Shares, clock: float) -> PluginFuture:
    """Keep the usage in the KVS; returns the future of that."""
    kept = shares.kept(flux.now(), clock)
    return flux.rpc("kvs.commit", commit_request([put_op(KEY, json.dumps(kept))]))
