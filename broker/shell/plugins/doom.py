"""Ends a job whose first task has exited (options ``exit-timeout`` and ``exit-on-error``), and
reports that first exit.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from broker.shell.levels import ShellFatal
from broker.shell.plugin import ShellPlugin

if TYPE_CHECKING:
    from broker.shell.context import ShellContext
    from broker.shell.loop import LoopTimer
    from broker.shell.task import ShellTask
    from flux.wire.json import JsonObject

DEFAULT_TIMEOUT = "30s"
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(text: str) -> float:
    """Return the seconds of a Flux Standard Duration (RFC 23); raises ValueError if ``text`` is not
    one.
    """
    for unit, factor in _UNITS.items():
        number = text.removesuffix(unit)
        if number != text and number[-1:].isdigit():
            return float(number) * factor
    return float(text)


class DoomPlugin(ShellPlugin):
    """On the leader: posts ``shell.task-exit`` for the first exit of the job and starts the timer;
    elsewhere tells the leader.
    """

    name = "doom"

    def __init__(self, shell: ShellContext) -> None:
        super().__init__(shell)
        self._seen = False
        self._timer: LoopTimer | None = None

    def shell_init(self) -> None:
        """Read the options; raises OSError(EINVAL) for a bad duration."""
        value = str(self.shell.option("exit-timeout", DEFAULT_TIMEOUT))
        self._label = value
        self._on_error = bool(self.shell.option("exit-on-error"))
        try:
            self._timeout = None if value == "none" else parse_duration(value)
        except ValueError as error:
            raise OSError(
                errno.EINVAL, f"exit-timeout={value} is not a valid Flux Standard Duration"
            ) from error
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
            self._timer = shell.loop.call_later(self._timeout, lambda: self._expired(info["rank"]))

    def _expired(self, rank: int) -> None:
        raise ShellFatal(f"rank {rank} exited and exit-timeout={self._label} has expired")

    def shell_exit(self) -> None:
        """All local tasks are done; the timer goes on while other shells have tasks."""
        if self._timer is not None and self.shell.size == 1:
            self._timer.cancel()
