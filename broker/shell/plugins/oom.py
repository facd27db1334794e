"""Adjusts how likely tasks are to be killed when memory is short (option ``oom.adjust``, see
oom_score_adj in proc(5)).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from broker.shell.plugin import ShellPlugin

if TYPE_CHECKING:
    from broker.shell.task import ShellTask

OPTION: Final = "oom.adjust"
MOST: Final = 1000


class OomPlugin(ShellPlugin):
    """Sets the score of each task before it runs."""

    name = "oom"
    is_asked_for = True

    def wanted(self) -> bool:
        return self.shell.option("oom") is not None or self.shell.option(OPTION) is not None

    def shell_init(self) -> None:
        """Read the option; raises OSError(EINVAL) if it is not -1000 to 1000."""
        value = self.shell.option(OPTION)
        if type(value) is not int or not -MOST <= value <= MOST:
            raise self.refused(OPTION, value, f"it is a number from -{MOST} to {MOST}")
        self._score = value

    def task_exec(self, _task: ShellTask) -> None:
        """In the task: set its score, which without privilege can only be raised."""
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write(str(self._score))
