"""The names of the broker's built-in modules and where they are, for commands that must not import the broker.

A test keeps this table equal to ``broker.modules.MODULES``.
"""

from __future__ import annotations

MODULES: dict[str, str] = {
    "connector-local": "broker.services.connector_local.service",
    "barrier": "broker.services.barrier.service",
    "content-sqlite": "broker.services.content_sqlite.service",
    "kvs": "broker.services.kvs.service",
    "kvs-watch": "broker.services.kvs_watch.service",
    "resource": "broker.services.resource.service",
    "cron": "broker.services.cron.service",
    "job-manager": "broker.services.job_manager.service",
    "job-info": "broker.services.job_info.service",
    "job-list": "broker.services.job_list.service",
    "job-ingest": "broker.services.job_ingest.service",
    "job-exec": "broker.services.job_exec.service",
    "heartbeat": "broker.services.heartbeat.service",
    "sched-simple": "broker.services.sched_simple.service",
}
