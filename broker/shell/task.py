"""One task of a job: its command, its environment, its process."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NotRequired, TypedDict

from broker.subprocess.launch import Command, launch, signal_group
from flux.waitstatus import exit_code_of, signal_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.shell.channels import Channel


class TaskInfo(TypedDict):
    """What the ``shell.task-exit`` event and initrc scripts know of a task, by its state."""

    localid: int
    rank: int
    state: str
    pid: NotRequired[int]
    wait_status: NotRequired[int]
    signaled: NotRequired[int]
    exitcode: NotRequired[int]


@dataclass(slots=True, eq=False)
class ShellTask:
    """A task before, while and after it runs.

    ``rank`` is its rank in the job, ``localid`` its index in this shell. ``fds`` are pairs of a
    descriptor here and one in the task; plugins add to it in ``task.init`` and close theirs in
    ``task.fork``. ``tty`` is the path of a terminal that becomes stdin, stdout and stderr;
    ``screen`` the descriptor of its other side if what it shows is the task's output, -1 if not.
    The task leads a process group of its own if ``own_group``, which the option ``nosetpgrp``
    prevents. ``holds`` counts open output streams: a task is complete once it has exited and none
    is left. ``status`` is its wait status, None while it runs. ``channels`` are its output streams
    and what plugins have added, by name.
    """

    rank: int
    localid: int
    argv: list[str]
    env: dict[str, str]
    fds: list[tuple[int, int]] = field(default_factory=list)
    tty: str | None = None
    screen: int = -1
    own_group: bool = True
    holds: int = 0
    pid: int = 0
    status: int | None = None
    finished: bool = False
    channels: dict[str, Channel] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """Name of the state, as flux_shell_task_get_info(3) has it."""
        if self.status is not None:
            return "Exited"
        return "Running" if self.pid else "Init"

    @property
    def exitcode(self) -> int:
        """Exit code, or 128 plus the signal; only after the exit."""
        return exit_code_of(self.status or 0)

    @property
    def signaled(self) -> int:
        """The signal that ended the task, 0 for none."""
        return signal_of(self.status or 0)

    def start(self, before_exec: Callable[[], None] | None = None) -> None:
        """Start the process; raises OSError if the command cannot be executed."""
        command = Command(
            self.argv,
            self.env,
            fds=self.fds,
            tty=self.tty,
            new_session=self.tty is not None,
            process_group=0 if self.own_group else None,
            before_exec=before_exec,
        )
        self.pid = launch(command)

    def kill(self, number: int) -> None:
        """Send a signal to the task's process group, or to the task alone if it shares the shell's
        group.
        """
        if not self.pid or self.status is not None:
            return
        if self.own_group or self.tty is not None:
            signal_group(self.pid, number)
        else:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def info(self) -> TaskInfo:
        """Return what is known of the task."""
        info: TaskInfo = {"localid": self.localid, "rank": self.rank, "state": self.state}
        if self.pid:
            info["pid"] = self.pid
        if self.status is not None:
            info["wait_status"] = self.status
            info["signaled"] = self.signaled
            info["exitcode"] = self.exitcode
        return info
