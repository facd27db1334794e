"""The broker's built-in modules as tasks: what ``flux modprobe load``, ``remove``, ``rc1``,
``rc3``, ``show`` and ``list-dependencies`` do (flux-modprobe of today's flux-core).

What a module requires, and where it runs, is in the table of `flux.modules`, by which the broker
itself loads them.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from flux.modprobe import Course, Modprobe, ModuleList
from flux.modprobe_loading import Module, RemoveTask
from flux.modprobe_tasks import TaskDB
from flux.modules import BACKING_STORE, MODULES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from flux.core.handle import Flux

    Tree = dict[str, "Tree"]
    """Modules by name, each with those that it requires."""

EVERY: Final = "all"
"""What ``remove`` takes for every module that is loaded."""
STORE: Final = "content-backing"
"""The service whose module the attribute ``content.backing-module`` names."""


class ModuleProbe(Modprobe):
    """The modules, built in and of the site; ``verbose``, ``dry_run`` and ``connect`` are those of
    `flux.modprobe.Context`. Raises as ``configure_modules`` does, but for a broker that cannot
    tell: without an instance, or one's own, its configuration says nothing.
    """

    def __init__(
        self,
        verbose: bool = False,
        dry_run: bool = False,
        connect: Callable[[], Flux] | None = None,
    ) -> None:
        super().__init__(False, verbose, dry_run, connect)
        self.configure_by_files()
        with contextlib.suppress(OSError):
            self.configure_by_table()

    @property
    def _modules(self) -> dict[str, Module]:
        return {one.name: one for one in self.taskdb if isinstance(one, Module)}

    def module(self, name: str) -> Module:
        """Return the module of a name, or the one that counts of those that provide it; raises
        ValueError if there is none.
        """
        found = self.taskdb.get(name)
        if not isinstance(found, Module):
            raise ValueError(f"{name} is not a module")
        return found

    def loaded(self) -> ModuleList:
        """Return the modules that the broker has; raises OSError if it cannot tell."""
        return ModuleList(self.context.handle)

    def missing(self, names: Sequence[str]) -> dict[str, list[str]]:
        """Return what is to be loaded for some modules to be there, in the form of `get_deps`:
        those modules and what they require, but for what is loaded.

        Raises ValueError for a name of no module, and for one that does not run here.
        """
        for name in names:
            module = self.module(name)
            module.disabled = False  # somebody asks for it
            if not module.enabled(self.context):
                raise ValueError(f"{module.name}: {self._why_not(module)}")
            self.add_active_task(module)
        there = set(self.loaded())
        return self.get_deps([name for name in self.solve() if name not in there])

    def _why_not(self, module: Module) -> str:
        if not module.ranks.test(self.context.rank):
            return f"it runs on rank {module.ranks} only"
        for table in module.needs_config:
            if not table.startswith("!") and self.context.conf_get(table) is None:
                return f"it runs if the configuration has the table [{table}]"
        return "what it needs is not there"

    def at_start(self) -> list[str]:
        """Return the modules that rc1 loads on this broker, in the order of its table."""
        store = self.context.attr_get("content.backing-module") or BACKING_STORE
        chosen = []
        for name, module in MODULES.items():
            found = store if name == BACKING_STORE else name
            if (name != BACKING_STORE and module.on_demand) or found not in self._modules:
                continue  # a store called none is no module
            if self._modules[found].enabled(self.context):
                chosen.append(found)
        return list(dict.fromkeys(self._instead(name, store) for name in chosen))

    def _instead(self, name: str, store: str) -> str:
        """Return the module that is loaded in the place of one: what a site has provide the same,
        such as the scheduler; what is only there for flux-core is not, unless it was set as the
        alternative. The store is the one that the attribute names, but for such an alternative.
        """
        for service in self._modules[name].provides[:1]:
            alternative = self.taskdb.chosen().get(service)
            if alternative is not None or name != store:
                found = self.taskdb.get(service)
                if not isinstance(found, Module):
                    return name
                asked = alternative is not None or found.is_there()
                return found.name if asked and found.enabled(self.context) else name
        return name

    def at_end(self) -> None:
        """Have all modules unloaded instead of loaded: what rc3 does, to which files may add."""
        before = self.removable([EVERY])
        self.taskdb = TaskDB()
        for name, users in before.items():
            self.add_active_task(RemoveTask(name, after=users))

    def removable(self, names: Sequence[str]) -> dict[str, list[str]]:
        """Return modules that are to be unloaded, each with those that go before it; `EVERY` stands
        for all built-in ones that are loaded.

        Raises ValueError for one that is not loaded, or that others which stay require.
        """
        there = self.loaded()
        here = [name for name in there if name in self._modules]
        going = {name: name for name in here} if EVERY in names else self._going(names, there)
        users: dict[str, list[str]] = {name: [] for name in going}
        for name in here:
            for service in self._modules[name].after:
                used = there.lookup(service)
                if used in users:
                    users[used].append(name)
        for name, typed in going.items():
            staying = [user for user in self._requiring(name, here, there) if user not in going]
            if staying:
                raise ValueError(f"{typed} still in use by {', '.join(sorted(staying))}")
        return {name: sorted(set(users[name]) & set(going)) for name in going}

    def _going(self, names: Sequence[str], there: ModuleList) -> dict[str, str]:
        going = {}
        for name in names:
            found = there.lookup(name)
            if found is None or found not in self._modules:
                raise ValueError(f"module {name} is not loaded")
            going[found] = name
        return going

    def _requiring(self, name: str, here: Sequence[str], there: ModuleList) -> list[str]:
        """Return the loaded modules that require one."""
        return [
            user
            for user in here
            if any(there.lookup(service) == name for service in self._modules[user].requires)
        ]

    def remove(self, before: Mapping[str, Sequence[str]]) -> int:
        """Unload modules, each after those before it, and return the exit code: 1 if one failed,
        whose reason goes to stderr.
        """
        tasks = TaskDB()
        for name in before:
            tasks.add(RemoveTask(name))
        return Course(tasks, self.context).run(before)

    def dependencies(self, name: str, full: bool) -> Iterator[str]:
        """Yield the lines of the tree of what a module requires. A module is shown once, as near to
        the root as it is required, unless the tree is to be ``full``; raises ValueError for a name
        of no module.
        """
        yield self._label(name)
        yield from self._branches(self.tree(name, full), "")

    def _label(self, name: str) -> str:
        found = self.module(name).name
        return name if found == name else f"{name} ({found})"

    def tree(self, root: str, full: bool) -> Tree:
        """Return what a module requires, as `dependencies` shows it; raises ValueError for a name
        of no module.
        """
        tree: Tree = {}
        seen = {self.module(root).name}
        level = [(root, tree)]
        while level:
            below = []
            for name, branches in level:
                for service in self.module(name).requires:
                    found = self.module(service).name
                    if full or found not in seen:
                        seen.add(found)
                        branches[service] = {}
                        below.append((service, branches[service]))
            level = below
        return tree

    def _branches(self, tree: Tree, indent: str) -> Iterator[str]:
        for place, (name, branches) in enumerate(tree.items(), 1):
            last = place == len(tree)
            yield f"{indent}{'└── ' if last else '├── '}{self._label(name)}"
            yield from self._branches(branches, indent + ("    " if last else "│   "))
