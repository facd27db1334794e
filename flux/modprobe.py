"""Tasks of a file that run in the order that they ask for: what ``flux modprobe run`` does
(flux.modprobe of today's flux-core).

A task is a function with the decorator `task`. It is *disabled* on ranks that it is not for, or
where what it needs is not there. Tasks run as soon as those that they come after are over; of one
that fails, what comes after it does not run.
"""

from __future__ import annotations

import sys
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from flux.importer import import_path
from flux.modprobe_context import Context
from flux.modprobe_tasks import (
    ALL,
    CodeTask,
    RankConditional,
    RankIDset,
    Task,
    TaskDB,
    rank_conditional,
    task,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from flux.core.handle import Flux

__all__ = [
    "CodeTask",
    "Context",
    "Modprobe",
    "ModuleList",
    "RankConditional",
    "RankIDset",
    "Task",
    "TaskDB",
    "rank_conditional",
    "task",
]


class ModuleList:
    """The modules that a broker has loaded, as they are when this is made: an iterable of names.

    Raises OSError if the broker cannot tell.
    """

    def __init__(self, handle: Flux) -> None:
        self._services: dict[str, str] = {}
        self._names: list[str] = []
        for entry in handle.rpc("module.list").get()["mods"]:
            name = str(entry["name"])
            self._names.append(name)
            self._services[name] = name
            self._services.update(dict.fromkeys(map(str, entry.get("services", ())), name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def lookup(self, name: str) -> str | None:
        """Return the module that has a name or offers a service, None if there is none."""
        return self._services.get(name)


class Modprobe:
    """The tasks of some files, and their course; arguments are those of `Context`."""

    def __init__(
        self,
        verbose: bool = False,
        dry_run: bool = False,
        connect: Callable[[], Flux] | None = None,
    ) -> None:
        self.context = Context(verbose, dry_run, connect)
        self.taskdb = TaskDB()
        self.exitcode = 0
        self._active: dict[str, Task] = {}

    @property
    def active_tasks(self) -> list[str]:
        """The names of the tasks that are to run if they are enabled."""
        return list(self._active)

    def add_task(self, task: Task) -> None:
        """Make a task known, which others may require."""
        self.taskdb.add(task)

    def add_active_task(self, task: Task) -> None:
        """Make a task known, and have it run."""
        self.add_task(task)
        self._active[task.name] = task

    def has_task(self, name: str) -> bool:
        """Whether there is a task of a name, or one that provides it."""
        return bool(self.taskdb.get_all(name))

    def get_task(self, name: str, default: Task | None = None) -> Task | None:
        """Return the task of a name, or the one that counts of those that provide it."""
        return self.taskdb.get(name) if self.has_task(name) else default

    def set_alternative(self, name: str, alternative: str) -> None:
        """Have a task count for a service; raises ValueError if it does not provide it."""
        self.taskdb.set_alternative(name, alternative)

    def disable(self, name: str) -> None:
        """Have no task of a name or service run; raises ValueError if there is none."""
        self.taskdb.disable(name)

    def read_rcfile(self, name: str | os.PathLike[str]) -> None:
        """Have the tasks of a Python file run; its function ``setup``, if it has one, is called
        with the context. Raises OSError if it cannot be read, and whatever it raises.
        """
        module = import_path(name)
        for value in vars(module).values():
            if isinstance(value, Task):
                self.add_active_task(value)
        setup = getattr(module, "setup", None)
        if callable(setup) and not isinstance(setup, Task):
            setup(self.context)

    def solve(self) -> list[str]:
        """Return the names of the enabled tasks: those that are to run, and what they require.

        Raises ValueError if nothing provides what one requires, OSError if the broker cannot tell.
        """
        found: dict[str, bool] = {}
        left = list(self._active)
        while left:
            one = self.taskdb.get(left.pop(0))
            if one.name not in found:
                found[one.name] = self._is_enabled(one, frozenset())
                left += one.requires if found[one.name] else []
        return [name for name, enabled in found.items() if enabled]

    def _is_enabled(self, one: Task, seen: frozenset[str]) -> bool:
        if not one.enabled(self.context):
            return False
        return one.name in seen or all(
            any(
                self._is_enabled(other, seen | {one.name}) for other in self.taskdb.get_all(service)
            )
            for service in one.needs
        )

    def get_deps(self, tasks: Sequence[str]) -> dict[str, list[str]]:
        """Return the tasks that come before each of some; raises ValueError for a circle."""
        chosen = [self.taskdb.get(name) for name in tasks]
        deps: dict[str, set[str]] = {one.name: set() for one in chosen}
        names = {service: one.name for one in chosen for service in (one.name, *one.provides)}
        for one in chosen:
            for service in one.after:
                others = self._all_but(chosen, one, "after") if service == ALL else {service}
                deps[one.name] |= {names[other] for other in others if other in names}
            for service in one.before:
                others = self._all_but(chosen, one, "before") if service == ALL else {service}
                for other in others:
                    if other in names:
                        deps[names[other]].add(one.name)
        try:
            TopologicalSorter(deps).prepare()
        except CycleError as error:
            raise ValueError(f"tasks wait for each other: {' → '.join(error.args[1])}") from None
        return {name: sorted(before) for name, before in deps.items()}

    @staticmethod
    def _all_but(chosen: Sequence[Task], one: Task, side: str) -> set[str]:
        """Return all tasks but those that come at the same end."""
        return {
            other.name for other in chosen if other is not one and ALL not in getattr(other, side)
        }

    def times(self) -> list[dict[str, object]]:
        """Return the tasks that were run, in the order of their starts: each with ``name``,
        ``starttime``, seconds since the first of them started, and ``duration`` in seconds.
        """
        done = [
            (one.starttime, one.endtime, one.name)
            for one in self.taskdb
            if one.starttime is not None and one.endtime is not None
        ]
        first = min(done, default=(0.0, 0.0, ""))[0]
        return [
            {"name": name, "starttime": began - first, "duration": ended - began}
            for began, ended, name in sorted(done)
        ]

    def run(self, deps: Mapping[str, Sequence[str]]) -> int:
        """Run tasks, each once those before it are over, and return the exit code: 1 if one
        failed, whose reason goes to stderr.
        """
        course = Course(self.taskdb, self.context)
        self.exitcode = course.run(deps)
        return self.exitcode


class Course:
    """One run of tasks, several at a time."""

    def __init__(self, tasks: TaskDB, context: Context) -> None:
        self._tasks = tasks
        self._context = context
        self._running: dict[Future[None], str] = {}

    def run(self, deps: Mapping[str, Sequence[str]]) -> int:
        """Run the tasks; returns 1 if one failed, else 0."""
        order = TopologicalSorter(deps)
        order.prepare()
        code = 0
        with ThreadPoolExecutor(thread_name_prefix="flux-modprobe") as pool:
            self._begin(order, pool)
            while self._running:
                over, _ = wait(self._running, return_when=FIRST_COMPLETED)
                for future in over:
                    name, error = self._running.pop(future), future.exception()
                    if error is None:
                        order.done(name)
                    else:
                        code = 1
                        print(f"{name}: {error}", file=sys.stderr)
                self._begin(order, pool)
        return code

    def _begin(self, order: TopologicalSorter[str], pool: ThreadPoolExecutor) -> None:
        for name in order.get_ready():
            self._running[pool.submit(self._one, self._tasks.get(name))] = name

    def _one(self, one: Task) -> None:
        try:
            if self._context.dry_run:
                one.dry_run(self._context)
            else:
                one.runtask(self._context)
        finally:
            self._context.close()
