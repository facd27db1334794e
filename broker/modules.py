"""The built-in modules and the order in which rc1 loads them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BuiltIn:
    """A module that comes with the broker: where its class is, whether only rank 0 runs it, what rc1 loads it with."""

    target: str
    leader_only: bool = False
    args: tuple[str, ...] = ()


MODULES: dict[str, BuiltIn] = {
    "barrier": BuiltIn("broker.services.barrier.service:BarrierService"),
    "content": BuiltIn("broker.services.content.service:ContentService"),
    "content-sqlite": BuiltIn("broker.services.content_sqlite.service:ContentSqliteService", leader_only=True),
    "kvs": BuiltIn("broker.services.kvs.service:KvsService"),
    "kvs-watch": BuiltIn("broker.services.kvs_watch.service:KvsWatchService"),
    "resource": BuiltIn("broker.services.resource.service:ResourceService"),
    "cron": BuiltIn("broker.services.cron.service:CronService", leader_only=True, args=("sync=heartbeat.pulse",)),
    "job-manager": BuiltIn("broker.services.job_manager.service:JobManagerService", leader_only=True),
    "job-info": BuiltIn("broker.services.job_info.service:JobInfoService"),
    "job-list": BuiltIn("broker.services.job_list.service:JobListService", leader_only=True),
    "job-ingest": BuiltIn("broker.services.job_ingest.service:JobIngestService"),
    "rexec": BuiltIn("broker.services.rexec.service:RexecService"),
    "shell-host": BuiltIn("broker.services.shell_host.service:ShellHostService"),
    "job-exec": BuiltIn("broker.services.job_exec.service:JobExecService", leader_only=True),
    "heartbeat": BuiltIn("broker.services.heartbeat.service:HeartbeatService", leader_only=True),
    "sched-simple": BuiltIn("broker.services.sched_simple.service:SchedSimpleService", leader_only=True),
}
"""Every module `flux module load` finds by name. The order is the order of rc1; rc3 unloads in reverse."""

HIDDEN = frozenset({"content", "rexec", "shell-host"})
"""Parts of the broker itself: not listed by `flux module list`, not removable."""
