"""Tasks of a file that run in the order that they ask for: what ``flux modprobe run`` does
(flux.modprobe of today's flux-core).

A task is a function with the decorator `task`. It is *disabled* on ranks that it is not for, or
where what it needs is not there. Tasks run as soon as those that they come after are over; of one
that fails, what comes after it does not run.
"""

from __future__ import annotations

import errno
import sys
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from flux.importer import import_path
from flux.modprobe_context import Context
from flux.modprobe_loading import Module, RemoveTask, built_in
from flux.modprobe_site import rc_files, read_toml, toml_files
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
from flux.modules import CONNECTOR, MODULES

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Self

    from flux.core.handle import Flux

__all__ = [
    "CodeTask",
    "Context",
    "Modprobe",
    "Module",
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
    """The tasks of some files, and their course; ``verbose``, ``dry_run`` and ``connect`` are those
    of `Context`. How long each takes is always known, see `times`, with ``timing`` or without.
    """

    def __init__(
        self,
        timing: bool = False,
        verbose: bool = False,
        dry_run: bool = False,
        connect: Callable[[], Flux] | None = None,
    ) -> None:
        self.context = Context(self, verbose, dry_run, connect)
        self.timing = timing
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

    def print(self, *args: object) -> None:
        """Print something if this is to be verbose."""
        self.context.print(*args)

    def configure_modules(self) -> Self:
        """Make the built-in modules known, and those of the site's files and of the table
        ``modules`` of the configuration; returns this.

        Raises ValueError, which names file and key, for what is malformed, OSError for files that
        cannot be read, or if the broker cannot tell.
        """
        self.configure_by_files()
        self.configure_by_table()
        return self

    def configure_by_files(self) -> None:
        """Make the built-in modules known, and those of the site's files; raises as
        `configure_modules` does, but asks no broker.
        """
        for name, module in MODULES.items():
            self.add_task(built_in(name, module))
        for path in toml_files():
            self.add_modules(path)

    def configure_by_table(self) -> None:
        """Take what the table ``modules`` of the configuration says of them: ``alternatives``, and
        tables for modules by name. Raises ValueError, OSError if the broker cannot tell.
        """
        table = self.context.conf_get("modules")
        if isinstance(table, dict):
            try:
                for name, alternative in table.get("alternatives", {}).items():
                    self.set_alternative(name, str(alternative))
                self._update({name: one for name, one in table.items() if name != "alternatives"})
            except ValueError as error:
                raise ValueError(f"modules: {error}") from None

    def add_modules(self, file: str) -> None:
        """Read a file: ``[[modules]]`` are new modules, any other table says something of the
        module it is called for. Raises ValueError, which names the file, and OSError.
        """
        tables = read_toml(file)
        entries = tables.pop("modules", [])
        if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
            raise ValueError(f"{file}: modules: expected [[modules]]")
        try:
            for entry in entries:
                self.add_task(Module(entry))
        except ValueError as error:
            raise ValueError(f"{file}: invalid modules entry: {error}") from None
        try:
            self._update(tables)
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from None

    def _update(self, tables: Mapping[str, object]) -> None:
        for name, entry in tables.items():
            if not isinstance(entry, dict):
                raise ValueError(f"{name}: expected a table")
            self.update_module(name, entry)

    def update_module(self, name: str, entry: Mapping[str, object]) -> None:
        """Describe the module of a name or service anew where ``entry`` says something; raises
        ValueError.
        """
        found = self.taskdb.get(name)
        if not isinstance(found, Module):
            raise ValueError(f"{name} is not a module")
        try:
            found.update(entry)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        self.add_task(found)

    def activate_modules(self, modules: Iterable[str]) -> None:
        """Have modules loaded; raises ValueError for a name of none."""
        for name in modules:
            self.add_active_task(self.taskdb.get(name))

    def load(self, modules: Iterable[str]) -> None:
        """Load modules, even disabled ones, and what they require, but for what is loaded;
        `exitcode` is 1 if one fails, whose reason goes to stderr.

        Raises FileExistsError if all is loaded, ValueError for a name of none, OSError if the
        broker cannot tell.
        """
        there = set(ModuleList(self.context.handle))
        wanted = [one for one in self.solve(modules, ignore_disabled=True) if one not in there]
        if not wanted:
            raise FileExistsError(errno.EEXIST, "All modules and dependencies are already loaded")
        self.run(self.get_deps(wanted))

    def set_remove(self, modules: Iterable[str] | None = None) -> None:
        """Have modules unloaded, None for all that are loaded; raises OSError if the broker cannot
        tell.
        """
        for name in ModuleList(self.context.handle) if modules is None else modules:
            if name != CONNECTOR and name not in self._active:
                self.add_active_task(RemoveTask(name))

    def resolve_service(self, name: str, ignore_needs: bool = False) -> Task:
        """Return the task that runs for a name or service: the first that is enabled here, whose
        needs are there unless ``ignore_needs``, or else the one that counts. Raises ValueError if
        there is none.
        """
        for one in reversed(self.taskdb.get_all(name)):
            if ignore_needs and one.enabled(self.context):
                return one
            if not ignore_needs and self._is_enabled(one, frozenset()):
                return one
        return self.taskdb.get(name)

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

    def enable(self, name: str) -> None:
        """Have the task of a name or service run whatever it needs; raises ValueError if there is
        none.
        """
        self.taskdb.enable(name)

    def read_rcfile(self, name: str | os.PathLike[str]) -> None:
        """Have the tasks of a Python file run, or those of all files of the site for ``rc1`` or
        ``rc3``; the function ``setup``, if a file has one, is called with the context.

        Raises OSError if one cannot be read, and whatever it raises.
        """
        for path in rc_files(str(name)) if name in ("rc1", "rc3") else [name]:
            self._read(path)

    def _read(self, path: str | os.PathLike[str]) -> None:
        module = import_path(path)
        for value in vars(module).values():
            if isinstance(value, Task):
                self.add_active_task(value)
        setup = getattr(module, "setup", None)
        if callable(setup) and not isinstance(setup, Task):
            setup(self.context)

    def solve(
        self,
        tasks: Iterable[str] | None = None,
        timing: bool = True,
        ignore_disabled: bool = False,
    ) -> list[str]:
        """Return the names of the enabled tasks: of ``tasks``, by default those that are to run,
        and what they require; with ``ignore_disabled`` also those that are not enabled.

        Raises ValueError if nothing provides what one requires, OSError if the broker cannot tell.
        """
        found: dict[str, bool] = {}
        left = list(self._active if tasks is None else tasks)
        while left:
            one = self.taskdb.get(left.pop(0))
            if one.name not in found:
                found[one.name] = ignore_disabled or self._is_enabled(one, frozenset())
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

    def get_requires(self, tasks: Iterable[str], reverse: bool = False) -> dict[str, list[str]]:
        """Return what each of some tasks requires, or with ``reverse`` which of them require it."""
        names = [self.taskdb.get(name).name for name in tasks]
        needed = {
            name: [self.taskdb.get(one).name for one in self.taskdb.get(name).requires]
            for name in names
        }
        if not reverse:
            return needed
        return {name: [user for user in names if name in needed[user]] for name in names}

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
