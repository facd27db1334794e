"""Stops each task in exec for a debugger (option ``stop-tasks-in-exec``)."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from broker.shell.plugin import ShellPlugin

if TYPE_CHECKING:
    from broker.shell.task import ShellTask

PTRACE_TRACEME, PTRACE_CONT, PTRACE_DETACH = 0, 7, 17


class TraceStopPlugin(ShellPlugin):
    """Has each task traced by the shell until it has stopped at exec; then it waits, stopped, for
    SIGCONT or a debugger.
    """

    name = "tracestop"
    is_asked_for = True

    def wanted(self) -> bool:
        return self.flag("stop-tasks-in-exec")

    def shell_init(self) -> None:
        """Hear of tasks that stop; ``shell.start`` tells that all have."""
        self._seen: set[int] = set()
        self.shell.on_stopped.append(self._stopped)
        self.shell.start_when.append(self._all_stopped)

    def _all_stopped(self) -> bool:
        return all(task.status is not None or task.pid in self._seen for task in self.shell.tasks)

    def task_exec(self, task: ShellTask) -> None:
        """In the task: ask to be traced."""
        ptrace(PTRACE_TRACEME, 0, 0)

    def _stopped(self, pid: int, signum: int) -> None:
        if signum != signal.SIGTRAP:  # not yet at exec: the signal is the task's
            ptrace(PTRACE_CONT, pid, signum)
            return
        self._seen.add(pid)
        # A job that is to end need not wait: what ends it has been sent before.
        ptrace(PTRACE_DETACH, pid, 0 if self.shell.ended_by else signal.SIGSTOP)


def ptrace(request: int, pid: int, data: int) -> None:
    """Call ptrace(2); raises OSError if it fails."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    if libc.ptrace(request, pid, None, data) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
