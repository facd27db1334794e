"""Binds tasks to the cores allocated to the job (option ``cpu-affinity``: on, off, per-task,
map:LIST; with ``verbose`` or ``dry-run`` and a comma before it, it is told).
"""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Final

from broker.shell.jobinfo import encode_idset
from broker.shell.levels import DEBUG, NOTICE, WARNING
from broker.shell.plugin import ShellPlugin
from flux.idset import IDset

if TYPE_CHECKING:
    from broker.shell.context import ShellContext
    from broker.shell.task import ShellTask

MAP: Final = "map:"
HEX: Final = "0x"
WORD: Final = 32
"""Bits of each word of a mask in hwloc's notation, the highest word first."""
LARGEST: Final = 1 << 14
"""CPUs or GPUs of a machine, at most."""


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


def parse_map(text: str, tasks: int) -> list[list[int]]:
    """Return the ids of each of ``tasks`` from the list of ``map:LIST``, entries separated by
    semicolons; it begins anew when there are more tasks.

    An entry is a list such as ``0-3,7``, or a mask such as ``0xf``, in words of 32 bits if there
    are commas in it. Raises ValueError for an entry that is neither, or that is empty.
    """
    entries = [_ids(entry.strip()) for entry in text.split(";")]
    return [entries[task % len(entries)] for task in range(tasks)]


def _ids(entry: str) -> list[int]:
    try:
        if entry[:2].lower() == HEX:
            ids = _bits(entry)
        else:
            # An idset of a few letters could otherwise be of any size.
            found = IDset(entry)
            ids = found.expand() if found and found.last() < LARGEST else []
    except ValueError:
        ids = []
    if not ids or ids[-1] >= LARGEST:
        raise ValueError(entry)
    return ids


def _bits(entry: str) -> list[int]:
    mask = 0
    for word in entry[: LARGEST // 4].split(","):
        mask = mask << WORD | int(word, 16)
    return [bit for bit in range(mask.bit_length()) if mask >> bit & 1]


class AffinityPlugin(ShellPlugin):
    """Sets the CPU affinity that each task inherits."""

    name = "cpu-affinity"

    def __init__(self, shell: ShellContext) -> None:
        super().__init__(shell)
        self._own: set[int] = set()
        self._sets: list[set[int]] = []
        self._bound = False
        self._dry = False

    def wanted(self) -> bool:
        return self.shell.option(self.name) != "off"

    def shell_init(self) -> None:
        """Find out which CPUs each task may use; raises OSError(EINVAL) for a bad map."""
        value = self.shell.option(self.name, "on")
        verbose, mode = False, value if isinstance(value, str) else "on" if value is True else ""
        for word in ("verbose", "dry-run"):
            if mode == word or mode.startswith(word + ","):
                verbose, mode = True, mode[len(word) + 1 :] or "on"
                self._dry = self._dry or word == "dry-run"
        if mode == "off":
            self._sets = [set()] * self.shell.me.ntasks
            return
        self._own = os.sched_getaffinity(0)
        if mode.startswith(MAP):
            self._sets = [set(ids) & self._own for ids in self._map(mode.removeprefix(MAP))]
        else:
            self._sets = self._of_cores(mode, value)
        if verbose:
            self._tell(mode)

    def _map(self, text: str) -> list[list[int]]:
        try:
            return parse_map(text, self.shell.me.ntasks)
        except ValueError as error:
            raise self.refused(
                self.name, MAP + text, f"'{error}' is no list or mask of CPUs"
            ) from None

    def _of_cores(self, mode: str, value: object) -> list[set[int]]:
        if mode not in ("on", "per-task"):
            self.shell.log(WARNING, f"invalid option: {value}", self.name)
        tasks, cores = self.shell.me.ntasks, self.shell.me.ids("core")
        groups = share(cores, tasks) if mode == "per-task" else [cores] * tasks
        table = cpus_of_cores()
        return [
            set().union(*(table[core] for core in group if core < len(table))) & self._own
            for group in groups
        ]

    def _tell(self, mode: str) -> None:
        everything: set[int] = set().union(*self._sets)
        self.shell.log(NOTICE, f"cpus: {encode_idset(sorted(everything))}", self.name)
        if mode != "on":
            for task, cpus in zip(self.shell.me.taskids, self._sets, strict=True):
                self.shell.log(
                    NOTICE, f"task {task}: cpus: {encode_idset(sorted(cpus))}", self.name
                )

    def task_init(self, task: ShellTask) -> None:
        """Bind this process for the moment of the start; the task inherits it."""
        cpus = self._sets[task.localid]
        if cpus and cpus != self._own and not self._dry:
            self._bound = True
            self._bind(cpus)

    def task_fork(self, _task: ShellTask) -> None:
        """Unbind this process again."""
        if self._bound:
            self._bound = False
            self._bind(self._own)

    def _bind(self, cpus: set[int]) -> None:
        try:
            os.sched_setaffinity(0, cpus)
        except OSError as error:
            self.shell.log(DEBUG, f"sched_setaffinity: {error.strerror}", self.name)
