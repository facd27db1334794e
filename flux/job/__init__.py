"""Jobs: submitting, watching, waiting, listing (the flux.job package of the manual).

Names are loaded on first use (PEP 562): importing ``flux.job.JobID`` loads neither the list nor the executor.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

_MODULES: dict[str, tuple[str, ...]] = {
    "JobID": ("JobID", "id_encode", "id_parse"),
    "Jobspec": ("Jobspec", "JobspecV1", "validate_jobspec"),
    "event": (
        "EventLogEvent",
        "JobEventWatchFuture",
        "JobException",
        "event_wait",
        "event_watch",
        "event_watch_async",
    ),
    "executor": ("FluxExecutor", "FluxExecutorFuture"),
    "info": ("JobInfo", "JobInfoFormat", "resulttostr", "statetostr", "statustostr"),
    "kill": ("cancel", "cancel_async", "kill", "kill_async"),
    "kvs": ("job_kvs", "job_kvs_guest"),
    "list": (
        "JobList",
        "JobListIdRPC",
        "JobListIdsFuture",
        "JobListRPC",
        "job_list",
        "job_list_id",
        "job_list_inactive",
    ),
    "stats": ("JobStats",),
    "submit": ("SubmitFuture", "submit", "submit_async", "submit_get_id"),
    "wait": (
        "JobResultFuture",
        "JobWaitFuture",
        "JobWaitResult",
        "result",
        "result_async",
        "wait",
        "wait_async",
        "wait_get_status",
    ),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = sorted(_HOME)


class _JobPackage(ModuleType):
    """Lets ``flux.job.submit`` be the function although ``flux/job/submit.py`` is a module.

    Importing a submodule binds it as an attribute of its package; where an exported name has the same spelling, the
    exported object takes the place.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, ModuleType) and _HOME.get(name) == name:
            value = getattr(value, name)
        super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        """Import the module that defines `name`; AttributeError if the manual knows no such name."""
        module = _HOME.get(name)
        if module is None:
            raise AttributeError(f"module 'flux.job' has no attribute {name!r}")
        value = getattr(import_module(f"flux.job.{module}"), name)
        setattr(self, name, value)
        return value

    def __dir__(self) -> list[str]:
        return sorted({*self.__dict__, *_HOME})


sys.modules[__name__].__class__ = _JobPackage
