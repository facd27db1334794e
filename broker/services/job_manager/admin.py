"""Requests about the whole queue (flux-queue(1)) and its plugins (flux-jobtap(1))."""

from __future__ import annotations

import errno
from typing import Any

from broker.service import NO_REPLY, Request, request
from broker.services.job_manager.submission import Submissions
from flux.wire.errors import os_error


class QueueAdmin(Submissions):
    """Enabling submission, starting scheduling, waiting for quiet, loading plugins."""

    @request("submit-admin", allow="guest")
    def submit_admin(self, req: Request) -> dict[str, Any]:
        """Enable or disable submission {query_only, enable, reason}."""
        if not req.get("query_only", bool):
            self._only_owner(req)
            self.submit_enabled = req.get("enable", bool)
            self.submit_reason = "" if self.submit_enabled else req.get("reason", str, "")
        return {"enable": self.submit_enabled, "reason": self.submit_reason}

    @request("alloc-admin", allow="guest")
    def alloc_admin(self, req: Request) -> dict[str, Any]:
        """Start or stop scheduling {query_only, enable, reason}."""
        machine = self.machine
        if not req.get("query_only", bool):
            self._only_owner(req)
            machine.set_alloc(req.get("enable", bool), req.get("reason", str, ""))
            self.kick()
        return {
            "enable": machine.alloc_enabled,
            "reason": machine.alloc_reason,
            "queue_length": len(machine.queue),
            "alloc_pending": len(machine.pending),
            "free_pending": machine.free_pending,
            "running": machine.running,
        }

    @staticmethod
    def _only_owner(req: Request) -> None:
        if not req.is_owner:
            raise OSError(errno.EPERM, "Request requires owner credentials")

    @request("drain")
    def drain(self, req: Request) -> Any:
        """Answer when there is no active job left."""
        self.drain_waiters.append(req)
        self.kick()
        return NO_REPLY

    @request("idle")
    def idle(self, req: Request) -> Any:
        """Answer with the number of pending jobs when no job is running."""
        self.idle_waiters.append(req)
        self.kick()
        return NO_REPLY

    @request("jobtap")
    def jobtap(self, req: Request) -> dict[str, Any] | None:
        """List plugins {query_only}, or remove {remove} and load {load, conf} one."""
        if req.payload.get("query_only"):
            return {"plugins": self.plugins.names()}
        if "remove" in req.payload:
            self.plugins.remove(req.get("remove", str))
        if "load" in req.payload:
            self.plugins.load(req.get("load", str), req.get("conf", dict, None))
        elif "remove" not in req.payload:
            raise os_error(errno.EPROTO)
        self.kick()
        return None
