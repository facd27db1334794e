"""The broker's built-in modules as tasks: what ``flux modprobe load``, ``remove``, ``rc1``,
``rc3``, ``show`` and ``list-dependencies`` do (flux-modprobe of today's flux-core).

What a module requires, and where it runs, is in the table of `flux.modules`, by which the broker
itself loads them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flux.modprobe import Course, Modprobe, ModuleList
from flux.modprobe_tasks import Task, TaskDB
from flux.modules import BACKING_STORE, MODULES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from flux.core.handle import Flux
    from flux.modprobe_context import Context
    from flux.modules import BuiltIn
    from flux.wire.json import JsonObject

    Tree = dict[str, "Tree"]
    """Modules by name, each with those that it requires."""

EVERY: Final = "all"
"""What ``remove`` takes for every module that is loaded."""
STORE: Final = "content-backing"
"""The service whose module the attribute ``content.backing-module`` names."""


class LoadTask(Task):
    """A built-in module that is to be loaded."""

    def __init__(self, name: str, module: BuiltIn) -> None:
        super().__init__(
            name,
            ranks="0" if module.leader_only else "all",
            provides=module.provides,
            requires=module.requires,
            after=(*module.requires, *module.after),
            needs_config=(module.table,) if module.table else (),
            priority=50 if module.on_demand else 100,
        )
        self.args = list(module.args)

    def run(self, context: Context) -> None:
        """Have the broker load it; raises OSError if it does not."""
        payload = {"path": self.name, "args": self.args, "exec": False}
        context.print(f"module.load {payload}")
        context.rpc("module.load", payload)

    def dry_run(self, context: Context) -> None:
        """Tell that it would be loaded."""
        print(" ".join(["load", self.name, *self.args]))

    def described(self) -> JsonObject:
        """Return what ``flux modprobe show`` prints."""
        return {
            "name": self.name,
            "module": self.name,
            "args": self.args,
            "ranks": str(self.ranks),
            "provides": self.provides,
            "requires": self.requires,
            "needs": self.needs,
            "before": self.before,
            "after": self.after,
            "priority": self.priority,
            "disabled": self.disabled,
            "exec": False,
        }


class RemoveTask(Task):
    """A module that is to be unloaded."""

    def run(self, context: Context) -> None:
        """Have the broker unload it; raises OSError if it does not."""
        context.print(f"module.remove {self.name}")
        context.rpc("module.remove", {"name": self.name})

    def dry_run(self, context: Context) -> None:
        """Tell that it would be unloaded."""
        print(f"remove {self.name}")


class ModuleProbe(Modprobe):
    """The built-in modules; arguments are those of `flux.modprobe.Context`."""

    def __init__(
        self,
        verbose: bool = False,
        dry_run: bool = False,
        connect: Callable[[], Flux] | None = None,
    ) -> None:
        super().__init__(verbose, dry_run, connect)
        self._modules = {name: LoadTask(name, module) for name, module in MODULES.items()}
        for module in self._modules.values():
            self.add_task(module)

    def module(self, name: str) -> LoadTask:
        """Return the module of a name, or the one that counts of those that provide it; raises
        ValueError if there is none.
        """
        return self._modules[self.taskdb.get(name).name]

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
            if not module.enabled(self.context):
                raise ValueError(f"{module.name}: {self._why_not(module)}")
            self.add_active_task(module)
        there = set(self.loaded())
        return self.get_deps([name for name in self.solve() if name not in there])

    def _why_not(self, module: LoadTask) -> str:
        if not module.ranks.test(self.context.rank):
            return f"it runs on rank {module.ranks} only"
        return f"it runs if the configuration has the table [{module.needs_config[0]}]"

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
        return chosen

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
