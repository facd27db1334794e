"""Applies the resource limits of the option ``rlimit`` to the tasks: names of setrlimit(2) in lower
case, -1 for unlimited.
"""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

from broker.shell.plugin import ShellPlugin

if TYPE_CHECKING:
    from broker.shell.context import ShellContext
    from broker.shell.task import ShellTask


class RlimitPlugin(ShellPlugin):
    """Sets soft limits of each task."""

    name = "rlimit"
    is_asked_for = True

    def __init__(self, shell: ShellContext) -> None:
        super().__init__(shell)
        self._limits: list[tuple[int, int]] = []

    def wanted(self) -> bool:
        return self.shell.option("rlimit") is not None

    def shell_init(self) -> None:
        """Read the limits; raises OSError(EINVAL) for one that there is not, or that is not a
        number.
        """
        limits = self.shell.option("rlimit")
        if not isinstance(limits, dict):
            raise self.refused("rlimit", limits, "it is an object of limits")
        for name, value in limits.items():
            number = getattr(resource, f"RLIMIT_{name.upper()}", None)
            if number is None:
                raise self.refused(f"rlimit.{name}", value, "there is no such limit")
            if type(value) is not int or not -1 <= value < 1 << 63:
                raise self.refused(f"rlimit.{name}", value, "it is a number, -1 for unlimited")
            self._limits.append((number, value))

    def task_exec(self, _task: ShellTask) -> None:
        """In the task: set the soft limits, as far as the hard limits allow."""
        for number, soft in self._limits:
            _, hard = resource.getrlimit(number)
            if hard != resource.RLIM_INFINITY and (soft == resource.RLIM_INFINITY or soft > hard):
                soft = hard
            resource.setrlimit(number, (soft, hard))
