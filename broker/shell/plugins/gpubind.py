"""Sets CUDA_VISIBLE_DEVICES to the allocated GPUs (option ``gpu-affinity``: on, off, per-task,
map:LIST).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from broker.shell.levels import WARNING
from broker.shell.plugin import ShellPlugin
from broker.shell.plugins.affinity import MAP, parse_map, share

if TYPE_CHECKING:
    from broker.shell.task import ShellTask

OPTION: Final = "gpu-affinity"


class GpuBindPlugin(ShellPlugin):
    """Limits each task to its GPUs."""

    name = "gpubind"

    def wanted(self) -> bool:
        return self.shell.option(OPTION) != "off"

    def shell_init(self) -> None:
        """Find out which GPUs each task may use; raises OSError(EINVAL) for a bad map."""
        value = self.shell.option(OPTION, "on")
        mode = value if isinstance(value, str) else "on" if value is True else ""
        gpus, tasks = self.shell.me.ids("gpu"), self.shell.me.ntasks
        self._sets = [gpus] * tasks
        if mode == "per-task":
            self._sets = share(gpus, tasks)
        elif mode.startswith(MAP):
            try:
                self._sets = parse_map(mode.removeprefix(MAP), tasks)
            except ValueError as error:
                raise self.refused(OPTION, mode, f"'{error}' is no list or mask of GPUs") from None
        elif mode != "on":
            self.shell.log(WARNING, f"invalid option: {value}", OPTION)

    def task_init(self, task: ShellTask) -> None:
        """Name the task's GPUs in its environment, -1 for none."""
        gpus = self._sets[task.localid]
        task.env["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, gpus)) or "-1"
