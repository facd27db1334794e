"""Stops each task in exec for a debugger (option ``stop-tasks-in-exec``)."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from broker.shell.plugin import ShellPlugin

if TYPE_CHECKING:
    from broker.shell.task import ShellTask

PTRACE_TRACEME, PTRACE_DETACH = 0, 17


class TraceStopPlugin(ShellPlugin):
    """Has each task traced by the shell until it has stopped at exec; then it waits, stopped, for
    SIGCONT or a debugger.
    """

    name = "tracestop"
    is_asked_for = True

    def wanted(self) -> bool:
        return self.flag("stop-tasks-in-exec")

    def shell_init(self) -> None:
        """Hear of tasks that stop."""
        self.shell.on_stopped.append(self._stopped)

    def task_exec(self, task: ShellTask) -> None:
        """In the task: ask to be traced."""
        ptrace(PTRACE_TRACEME, 0, 0)

    def _stopped(self, pid: int) -> None:
        ptrace(PTRACE_DETACH, pid, signal.SIGSTOP)


def ptrace(request: int, pid: int, data: int) -> None:
    """Call ptrace(2); raises OSError if it fails."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    if libc.ptrace(request, pid, None, data) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
