"""Sets CUDA_VISIBLE_DEVICES to the allocated GPUs (option ``gpu-affinity``: on, off, per-task)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker.shell.plugin import ShellPlugin
from broker.shell.plugins.affinity import share

if TYPE_CHECKING:
    from broker.shell.task import ShellTask


class GpuBindPlugin(ShellPlugin):
    """Limits each task to its GPUs."""

    name = "gpubind"

    def wanted(self) -> bool:
        return bool(self.shell.option("gpu-affinity", "on") != "off")

    def task_init(self, task: ShellTask) -> None:
        """Name the task's GPUs in its environment, -1 for none."""
        gpus = self.shell.me.ids("gpu")
        if self.shell.option("gpu-affinity") == "per-task":
            gpus = share(gpus, self.shell.me.ntasks)[task.localid]
        task.env["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, gpus)) or "-1"
