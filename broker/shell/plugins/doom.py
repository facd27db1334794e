"""Ends a job whose first task has exited (options ``exit-timeout`` and ``exit-on-error``), and
reports that first exit.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from broker.shell.levels import ShellFatal
from broker.shell.plugin import ShellPlugin
from flux.duration import parse_fsd

if TYPE_CHECKING:
    from broker.shell.context import ShellContext
    from broker.shell.loop import LoopTimer
    from broker.shell.task import ShellTask
    from flux.wire.json import JsonObject

DEFAULT_TIMEOUT = "30s"


class DoomPlugin(ShellPlugin):
    """On the leader: posts ``shell.task-exit`` for the first exit of the job and starts the timer;
    elsewhere tells the leader.
    """

    name = "doom"

    def __init__(self, shell: ShellContext) -> None:
        super().__init__(shell)
        self._seen = False
        self._timeout: float | None = None
        self._timer: LoopTimer | None = None

    def shell_init(self) -> None:
        """Read the options; raises OSError(EINVAL) for a wrong value."""
        value = self.shell.option("exit-timeout", DEFAULT_TIMEOUT)
        self._label = str(value)
        self._on_error = self.flag("exit-on-error")
        if value != "none":
            try:
                seconds = math.nan if isinstance(value, bool) else parse_fsd(str(value))
            except ValueError:
                seconds = math.nan
            if math.isnan(seconds):
                expected = "it is none or a Flux Standard Duration such as 30s"
                raise self.refused("exit-timeout", value, expected)
            self._timeout = None if math.isinf(seconds) else seconds
        self.shell.peers.relays["first-exit"] = self._relayed

    def task_exit(self, task: ShellTask) -> None:
        """Take note of a local task's exit."""
        if self._seen:
            return
        self._seen = True
        if self.shell.leader:
            self._first_exit(dict(task.info()))
        else:
            self.shell.peers.relay("leader", "first-exit", dict(task.info()))

    def _relayed(self, info: JsonObject) -> None:
        if not self._seen:
            self._seen = True
            self._first_exit(info)

    def _first_exit(self, info: JsonObject) -> None:
        shell = self.shell
        shell.event("shell.task-exit", info)
        if self._on_error and info["exitcode"]:
            raise ShellFatal(
                f"rank {info['rank']} failed and exit-on-error is set", info["exitcode"], self.name
            )
        if self._timeout is not None and shell.info.ntasks > 1:
            self._timer = shell.loop.call_later(self._timeout, lambda: self._expired(info))

    def _expired(self, info: JsonObject) -> None:
        text = f"rank {info['rank']} exited and exit-timeout={self._label} has expired"
        raise ShellFatal(text, info["exitcode"] or 1)

    def shell_exit(self) -> None:
        """All local tasks are done; the timer goes on while other shells have tasks."""
        if self._timer is not None and self.shell.size == 1:
            self._timer.cancel()
