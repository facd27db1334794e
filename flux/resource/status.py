"""How the ranks of an instance are, with those that jobs hold (``flux resource status``)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from flux.idset import IDset
from flux.resource.list import DrainInfo, ResourceListRPC, ResourceStatus, StatusRPC
from flux.rpc import RPC

if TYPE_CHECKING:
    from flux.core.handle import Flux

__all__ = ["DrainInfo", "ResourceStatus", "ResourceStatusRPC", "resource_status"]


class ResourceStatusRPC:
    """Queries of the resource module, the scheduler and the job manager, made at once."""

    def __init__(self, handle: Flux) -> None:
        self._status = StatusRPC(handle)
        self._allocated = ResourceListRPC(handle)
        self._jobs = RPC(handle, "job-manager.stats-get", {})

    def get_status(self) -> ResourceStatus:
        """Wait for the resource module's answer; raises OSError."""
        return self._status.get()

    def get_allocated_ranks(self) -> IDset | None:
        """Wait for the scheduler's answer and return the ranks that jobs hold, None without a
        scheduler; raises OSError.
        """
        try:
            return self._allocated.get().allocated.ranks
        except OSError as exc:
            if exc.errno == errno.ENOSYS:
                return None
            raise

    def get_housekeeping_ranks(self) -> IDset | None:
        """Wait for the job manager's answer and return the ranks that are held for what runs there
        after jobs, None if it does not tell.
        """
        try:
            found = (self._jobs.get() or {}).get("housekeeping") or {}
        except OSError:  # guests are not told
            return None
        running = (found.get("running") or {}).values()
        return IDset().union(*(one["allocated"] for one in running))

    def get(self) -> ResourceStatus:
        """Wait for both answers; raises OSError."""
        return ResourceStatus(
            self._status.get_dict(), self.get_allocated_ranks(), self.get_housekeeping_ranks()
        )


def resource_status(flux_handle: Flux) -> ResourceStatusRPC:
    """Ask how the ranks are."""
    return ResourceStatusRPC(flux_handle)
