"""Applies the resource limits of the option ``rlimit`` to the tasks: names of setrlimit(2) in lower
case, -1 for unlimited.
"""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

from broker.shell.levels import ERROR
from broker.shell.plugin import ShellPlugin

if TYPE_CHECKING:
    from broker.shell.task import ShellTask


class RlimitPlugin(ShellPlugin):
    """Sets soft limits of each task."""

    name = "rlimit"

    def wanted(self) -> bool:
        return isinstance(self.shell.option("rlimit"), dict)

    def task_exec(self, task: ShellTask) -> None:
        """In the task: set the soft limits, as far as the hard limits allow."""
        limits = self.shell.option("rlimit")
        for name, value in limits.items() if isinstance(limits, dict) else ():
            number = getattr(resource, f"RLIMIT_{name.upper()}", None)
            if number is None:
                self.shell.log(ERROR, f"invalid limit: {name}", self.name)
                continue
            _, hard = resource.getrlimit(number)
            soft = int(value)
            if hard != resource.RLIM_INFINITY and (soft == resource.RLIM_INFINITY or soft > hard):
                soft = hard
            resource.setrlimit(number, (soft, hard))
