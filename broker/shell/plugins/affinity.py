"""Binds tasks to the cores allocated to the job (option ``cpu-affinity``: on, off, per-task)."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING

from broker.shell.levels import DEBUG, WARNING
from broker.shell.plugin import ShellPlugin

if TYPE_CHECKING:
    from broker.shell.context import ShellContext
    from broker.shell.task import ShellTask


@functools.cache
def cpus_of_cores() -> list[frozenset[int]]:
    """Return the logical CPUs of each physical core of this machine, cores in the order of their
    first CPU.
    """
    cores: dict[str, set[int]] = {}
    for cpu in range(os.cpu_count() or 1):
        base = f"/sys/devices/system/cpu/cpu{cpu}/topology/"
        try:
            with open(base + "physical_package_id") as package, open(base + "core_id") as core:
                key = package.read().strip() + ":" + core.read().strip()
        except OSError:
            key = str(cpu)
        cores.setdefault(key, set()).add(cpu)
    return [frozenset(cpus) for cpus in cores.values()]


def share(cores: list[int], parts: int) -> list[list[int]]:
    """Divide ``cores`` into ``parts`` consecutive groups; with fewer cores than parts, groups share
    cores.
    """
    if not cores:
        return [[] for _ in range(parts)]
    if len(cores) < parts:
        return [[cores[index * len(cores) // parts]] for index in range(parts)]
    size, extra = divmod(len(cores), parts)
    groups, start = [], 0
    for index in range(parts):
        end = start + size + (index < extra)
        groups.append(cores[start:end])
        start = end
    return groups


class AffinityPlugin(ShellPlugin):
    """Sets the CPU affinity that each task inherits."""

    name = "cpu-affinity"

    def __init__(self, shell: ShellContext) -> None:
        super().__init__(shell)
        self.mode = str(shell.option("cpu-affinity", "on"))
        self._own: set[int] = set()

    def wanted(self) -> bool:
        return self.mode != "off"

    def shell_init(self) -> None:
        """Find out which CPUs each task may use."""
        if self.mode not in ("on", "per-task"):
            self.shell.log(WARNING, f"invalid option: {self.mode}", self.name)
        tasks = self.shell.me.ntasks
        cores = self.shell.me.ids("core")
        groups = share(cores, tasks) if self.mode == "per-task" else [cores] * tasks
        table = cpus_of_cores()
        self._own = os.sched_getaffinity(0)
        self._sets = [
            set().union(*(table[core] for core in group if core < len(table))) & self._own
            for group in groups
        ]

    def task_init(self, task: ShellTask) -> None:
        """Bind this process for the moment of the start; the task inherits it."""
        cpus = self._sets[task.localid]
        if cpus and cpus != self._own:
            self._bind(cpus)

    def task_fork(self, task: ShellTask) -> None:
        """Unbind this process again."""
        cpus = self._sets[task.localid]
        if cpus and cpus != self._own:
            self._bind(self._own)

    def _bind(self, cpus: set[int]) -> None:
        try:
            os.sched_setaffinity(0, cpus)
        except OSError as error:
            self.shell.log(DEBUG, f"sched_setaffinity: {error.strerror}", self.name)
