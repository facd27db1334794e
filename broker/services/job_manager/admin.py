"""Requests about the whole queue (flux-queue(1)) and its plugins (flux-jobtap(1))."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from broker.service import NO_REPLY, request
from flux.wire.errors import OWNER_ONLY, os_error

if TYPE_CHECKING:
    from broker.service import Reply, Request
    from broker.services.job_manager.core import ManagerCore
    from broker.services.job_manager.submission import Submissions
    from flux.wire.json import JsonObject


class QueueAdmin:
    """Enabling submission, starting scheduling, waiting for quiet, loading plugins."""

    def __init__(self, core: ManagerCore, submissions: Submissions) -> None:
        self._core = core
        self._submissions = submissions

    @request("submit-admin", allow="guest")
    def submit_admin(self, req: Request) -> JsonObject:
        """Enable or disable submission {query_only, enable, reason}."""
        if not req.get("query_only", bool):
            _only_owner(req)
            enable = req.get("enable", bool)
            self._submissions.enabled = enable
            self._submissions.reason = "" if enable else req.get("reason", str, "")
        return {"enable": self._submissions.enabled, "reason": self._submissions.reason}

    @request("alloc-admin", allow="guest")
    def alloc_admin(self, req: Request) -> JsonObject:
        """Start or stop scheduling {query_only, enable, reason}."""
        machine = self._core.machine
        if not req.get("query_only", bool):
            _only_owner(req)
            machine.set_alloc(req.get("enable", bool), req.get("reason", str, ""))
            self._core.turn_soon()
        return {
            "enable": machine.alloc_enabled,
            "reason": machine.alloc_reason,
            "queue_length": len(machine.queue),
            "alloc_pending": len(machine.pending),
            "free_pending": machine.free_pending,
            "running": machine.running,
        }

    @request("drain")
    def drain(self, req: Request) -> Reply:
        """Answer when there is no active job left."""
        self._core.quiet.drain.append(req)
        self._core.turn_soon()
        return NO_REPLY

    @request("idle")
    def idle(self, req: Request) -> Reply:
        """Answer with the number of pending jobs when no job is running."""
        self._core.quiet.idle.append(req)
        self._core.turn_soon()
        return NO_REPLY

    @request("jobtap")
    def jobtap(self, req: Request) -> JsonObject | None:
        """List plugins {query_only}, or remove {remove} and load {load, conf} one."""
        if req.payload.get("query_only"):
            return {"plugins": self._core.plugins.names()}
        if "remove" in req.payload:
            self._core.plugins.remove(req.get("remove", str))
        if "load" in req.payload:
            self._core.plugins.load(req.get("load", str), req.get("conf", dict, None))
        elif "remove" not in req.payload:
            raise os_error(errno.EPROTO)
        self._core.turn_soon()
        return None


def _only_owner(req: Request) -> None:
    if not req.is_owner:
        raise OSError(errno.EPERM, OWNER_ONLY)
