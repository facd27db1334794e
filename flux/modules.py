"""The broker's built-in modules: one table for the broker, ``flux module`` and the documents.

It names classes without importing them, so that a command which only looks a name up stays cheap.
"""

from __future__ import annotations

from typing import NamedTuple


class BuiltIn(NamedTuple):
    """A module that comes with the broker.

    ``target`` is where its class is, as ``package.module:Class``; a ``leader_only`` module runs on
    rank 0 only; ``args`` is what rc1 loads it with, unless it is loaded ``on_demand`` only, or the
    configuration lacks the ``table`` that asks for it. It ``provides`` services beside its own
    name, sends requests to the modules that it ``requires``, and is loaded ``after`` services that
    it uses if they are there.
    """

    target: str
    leader_only: bool = False
    args: tuple[str, ...] = ()
    on_demand: bool = False
    table: str = ""
    requires: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """The importable name of the Python module that defines the class."""
        return self.target.partition(":")[0]


def _service(
    package: str,
    name: str,
    *args: str,
    leader_only: bool = False,
    on_demand: bool = False,
    table: str = "",
    requires: tuple[str, ...] = (),
    provides: tuple[str, ...] = (),
    after: tuple[str, ...] = (),
) -> BuiltIn:
    target = f"broker.services.{package}.service:{name}"
    return BuiltIn(target, leader_only, args, on_demand, table, requires, provides, after)


_STORE = ("content-backing", "kvs-checkpoint")

MODULES: dict[str, BuiltIn] = {
    "barrier": _service("barrier", "BarrierService"),
    "content-sqlite": _service(
        "content_sqlite", "ContentSqliteService", leader_only=True, provides=_STORE
    ),
    "content-files": _service(
        "content_files", "ContentFilesService", leader_only=True, on_demand=True, provides=_STORE
    ),
    "kvs": _service("kvs", "KvsService", after=("content-backing",)),
    "kvs-watch": _service("kvs_watch", "KvsWatchService", requires=("kvs",)),
    "resource": _service("resource", "ResourceService", requires=("kvs",)),
    "cron": _service(
        "cron",
        "CronService",
        "sync=heartbeat.pulse",
        leader_only=True,
        requires=("heartbeat",),
    ),
    "job-manager": _service(
        "job_manager", "JobManagerService", leader_only=True, requires=("kvs",)
    ),
    "job-info": _service(
        "job_info", "JobInfoService", requires=("kvs", "kvs-watch", "job-manager")
    ),
    "job-list": _service(
        "job_list", "JobListService", leader_only=True, requires=("kvs", "job-manager")
    ),
    "job-ingest": _service("job_ingest", "JobIngestService", requires=("job-manager",)),
    "job-exec": _service(
        "job_exec", "JobExecService", leader_only=True, requires=("kvs", "job-manager")
    ),
    "heartbeat": _service("heartbeat", "HeartbeatService", leader_only=True),
    "sched-simple": _service(
        "sched_simple",
        "SchedSimpleService",
        leader_only=True,
        requires=("kvs", "job-manager", "resource"),
        provides=("sched", "feasibility"),
    ),
    "job-archive": _service(
        "job_archive",
        "JobArchiveService",
        leader_only=True,
        table="archive",
        requires=("job-info", "job-list"),
    ),
}
"""Every module that ``flux module load`` finds by name. The order is that of rc1, because a module
may call those before it while it starts; rc3 unloads in reverse."""

BACKING_STORE = "content-sqlite"
"""What rc1 loads unless the attribute ``content.backing-module`` names another store."""

CONNECTOR = "connector-local"
"""Listed as a module like the others, but mounted by the broker itself: rc1 has to reach it."""

CONNECTOR_SOURCE = "broker.services.connector_local.service"


def find(name: str) -> str | None:
    """Return the Python module behind what users may name, None if there is no such module."""
    if name == CONNECTOR:
        return CONNECTOR_SOURCE
    return MODULES[name].source if name in MODULES else None
