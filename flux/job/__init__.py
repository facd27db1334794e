"""Jobs: submitting, watching, waiting, listing (the flux.job package of the manual).

Names and modules are loaded on first use (PEP 562): importing ``flux.job.JobID`` loads neither the
list nor the executor, and ``flux.job.list`` needs no import of its own.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flux.job.event import (
        MAIN_EVENTS as MAIN_EVENTS,
        EventLogEvent as EventLogEvent,
        JobEventWatchFuture as JobEventWatchFuture,
        JobException as JobException,
        event_wait as event_wait,
        event_watch as event_watch,
        event_watch_async as event_watch_async,
    )
    from flux.job.executor import (
        FluxExecutor as FluxExecutor,
        FluxExecutorFuture as FluxExecutorFuture,
    )
    from flux.job.info import (
        JobInfo as JobInfo,
        JobInfoFormat as JobInfoFormat,
        job_fields_to_attrs as job_fields_to_attrs,
        resulttostr as resulttostr,
        statetostr as statetostr,
        statustostr as statustostr,
    )
    from flux.job.JobID import (
        JobID as JobID,
        id_encode as id_encode,
        id_parse as id_parse,
    )
    from flux.job.Jobspec import (
        Jobspec as Jobspec,
        JobspecV1 as JobspecV1,
        validate_jobspec as validate_jobspec,
    )
    from flux.job.journal import (
        JournalConsumer as JournalConsumer,
        JournalEntry as JournalEntry,
        JournalEvent as JournalEvent,
    )
    from flux.job.kill import (
        cancel as cancel,
        cancel_async as cancel_async,
        job_raise as job_raise,
        job_raise_async as job_raise_async,
        kill as kill,
        kill_async as kill_async,
    )
    from flux.job.kvs import (
        job_kvs as job_kvs,
        job_kvs_guest as job_kvs_guest,
    )
    from flux.job.kvslookup import (
        JobInfoLookupRPC as JobInfoLookupRPC,
        JobKVSLookup as JobKVSLookup,
        JobKVSLookupFuture as JobKVSLookupFuture,
        job_info_lookup as job_info_lookup,
        job_kvs_lookup as job_kvs_lookup,
    )
    from flux.job.list import (
        JobList as JobList,
        JobListIdRPC as JobListIdRPC,
        JobListIdsFuture as JobListIdsFuture,
        JobListRPC as JobListRPC,
        get_job as get_job,
        job_list as job_list,
        job_list_id as job_list_id,
        job_list_inactive as job_list_inactive,
    )
    from flux.job.notes import (
        annotate as annotate,
        annotate_async as annotate_async,
        memo as memo,
        memo_async as memo_async,
        update as update,
        update_async as update_async,
        urgency as urgency,
        urgency_async as urgency_async,
    )
    from flux.job.options.configuration import BatchConfig as BatchConfig
    from flux.job.output import (
        JobOutput as JobOutput,
        OutputEvent as OutputEvent,
        job_output as job_output,
        output_event_watch as output_event_watch,
        output_event_watch_async as output_event_watch_async,
        output_watch as output_watch,
        output_watch_async as output_watch_async,
        output_watch_lines as output_watch_lines,
        output_watch_lines_async as output_watch_lines_async,
    )
    from flux.job.purge import (
        purge as purge,
        purge_id as purge_id,
    )
    from flux.job.reasons import pending_reasons as pending_reasons
    from flux.job.stats import JobStats as JobStats
    from flux.job.submit import (
        SubmitFuture as SubmitFuture,
        submit as submit,
        submit_async as submit_async,
        submit_get_id as submit_get_id,
    )
    from flux.job.timeleft import timeleft as timeleft
    from flux.job.watcher import JobWatcher as JobWatcher
    from flux.job.wait import (
        JobResultFuture as JobResultFuture,
        JobWaitFuture as JobWaitFuture,
        JobWaitResult as JobWaitResult,
        result as result,
        result_async as result_async,
        wait as wait,
        wait_async as wait_async,
        wait_get_status as wait_get_status,
    )

_MODULES: dict[str, tuple[str, ...]] = {
    "JobID": ("JobID", "id_encode", "id_parse"),
    "Jobspec": ("Jobspec", "JobspecV1", "validate_jobspec"),
    "event": (
        "MAIN_EVENTS",
        "EventLogEvent",
        "JobEventWatchFuture",
        "JobException",
        "event_wait",
        "event_watch",
        "event_watch_async",
    ),
    "executor": ("FluxExecutor", "FluxExecutorFuture"),
    "info": (
        "JobInfo",
        "JobInfoFormat",
        "job_fields_to_attrs",
        "resulttostr",
        "statetostr",
        "statustostr",
    ),
    "journal": ("JournalConsumer", "JournalEntry", "JournalEvent"),
    "kill": ("cancel", "cancel_async", "job_raise", "job_raise_async", "kill", "kill_async"),
    "kvs": ("job_kvs", "job_kvs_guest"),
    "kvslookup": (
        "JobInfoLookupRPC",
        "JobKVSLookup",
        "JobKVSLookupFuture",
        "job_info_lookup",
        "job_kvs_lookup",
    ),
    "list": (
        "JobList",
        "JobListIdRPC",
        "JobListIdsFuture",
        "JobListRPC",
        "get_job",
        "job_list",
        "job_list_id",
        "job_list_inactive",
    ),
    "notes": (
        "annotate",
        "annotate_async",
        "memo",
        "memo_async",
        "update",
        "update_async",
        "urgency",
        "urgency_async",
    ),
    "options.configuration": ("BatchConfig",),
    "output": (
        "JobOutput",
        "OutputEvent",
        "job_output",
        "output_event_watch",
        "output_event_watch_async",
        "output_watch",
        "output_watch_async",
        "output_watch_lines",
        "output_watch_lines_async",
    ),
    "purge": ("purge", "purge_id"),
    "reasons": ("pending_reasons",),
    "stats": ("JobStats",),
    "submit": ("SubmitFuture", "submit", "submit_async", "submit_get_id"),
    "timeleft": ("timeleft",),
    "watcher": ("JobWatcher",),
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

SUBMODULES = frozenset(
    {
        *("JobID", "Jobspec", "attributes", "describe", "directives", "event", "executor"),
        *("info", "io", "journal", "kill", "kvs", "kvslookup", "lifecycle", "list", "notes"),
        *("output", "purge", "query", "reasons", "signals", "states", "stats", "submit"),
        *("timeleft", "types", "updates", "validator", "wait", "watcher", "why"),
    }
)
"""What is reached as an attribute without an import of its own, but for those whose name is that of
a function or class.
"""

__all__ = sorted(_HOME)


class _JobPackage(ModuleType):
    """Lets ``flux.job.submit`` be the function although ``flux/job/submit.py`` is a module.

    Importing a submodule binds it as an attribute of its package; where an exported name has the
    same spelling, the exported object takes the place.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if isinstance(value, ModuleType) and _HOME.get(name) == name:
            value = getattr(value, name)
        super().__setattr__(name, value)

    def __getattr__(self, name: str) -> object:
        """Import the module that defines `name`, or is called so; AttributeError if there is
        neither.
        """
        module = _HOME.get(name)
        if module is None and name in SUBMODULES:
            return import_module(f"flux.job.{name}")
        if module is None:
            raise AttributeError(f"module 'flux.job' has no attribute {name!r}")
        value = getattr(import_module(f"flux.job.{module}"), name)
        setattr(self, name, value)
        return value

    def __dir__(self) -> list[str]:
        return sorted({*self.__dict__, *_HOME, *SUBMODULES})


sys.modules[__name__].__class__ = _JobPackage
