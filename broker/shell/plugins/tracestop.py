"""Stops each task in exec for a debugger (option ``stop-tasks-in-exec``)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from broker.shell.plugin import Plugin

if TYPE_CHECKING:
    from broker.shell.task import Task

PTRACE_TRACEME = 0


class TraceStopPlugin(Plugin):
    """Has each task traced by the shell from its start, so that it stops at exec until it is continued."""

    name = "tracestop"

    def wanted(self) -> bool:
        return bool(self.shell.option("stop-tasks-in-exec"))

    def task_exec(self, task: Task) -> None:
        """In the task: ask to be traced."""
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        if libc.ptrace(PTRACE_TRACEME, 0, None, None) < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
