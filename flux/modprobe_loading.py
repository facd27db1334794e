"""Modules of the broker as tasks of ``flux modprobe``: to be loaded, and to be unloaded."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from flux.modprobe_tasks import LISTS, NEEDS, Task
from flux.modules import MODULES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flux.modprobe_context import Context
    from flux.modules import BuiltIn
    from flux.wire.json import JsonObject

ASKED: Final = {
    key.replace("_", "-"): key for key in (*LISTS, *NEEDS, "ranks", "disabled", "priority")
}
"""What a module is described by, as it stands in files, and the argument of a task for it."""
KEYS: Final = frozenset(("name", "module", "args", "exec", *ASKED))
TYPES: Final[Mapping[str, type]] = {
    **dict.fromkeys(("name", "module", "ranks"), str),
    **dict.fromkeys(("exec", "disabled"), bool),
    "priority": int,
}
WORDS: Final = {str: "a string", bool: "true or false", int: "an integer", list: "a list of names"}


class Module(Task):
    """A module that is to be loaded, as the object ``conf`` describes it: its ``name``, the
    ``module`` that is loaded under that name, a built-in one or a file, by default what it is
    called, its ``args``, and what tasks ask for, such as ``ranks`` and ``needs-config``.

    Raises ValueError, which names the key, for a malformed description.
    """

    def __init__(self, conf: Mapping[str, Any]) -> None:
        if "name" not in conf:
            raise ValueError("Missing required config key 'name'")
        self.describe(conf)

    def describe(self, conf: Mapping[str, Any]) -> None:
        """Take a whole description; raises ValueError."""
        check(conf)
        given = {ASKED[key]: value for key, value in conf.items() if key in ASKED}
        super().__init__(str(conf["name"]), **given)
        self.conf = dict(conf)
        self.module = str(conf.get("module", self.name))
        self.args = [str(arg) for arg in conf.get("args", ())]
        self.exec = bool(conf.get("exec", False))

    def update(self, entry: Mapping[str, Any]) -> None:
        """Describe it anew where ``entry`` says something; its name stays. Raises ValueError."""
        enabled = self.force_enabled
        self.describe({**self.conf, **entry, "name": self.name})
        self.force_enabled = enabled

    def run(self, context: Context) -> None:
        """Have the broker load it; raises OSError if it does not."""
        payload = {"path": self._path(), "args": self._args(context), "exec": self.exec}
        if self.name != self.module:
            payload["name"] = self.name
        context.print(f"module.load {payload}")
        context.rpc("module.load", payload)

    def dry_run(self, context: Context) -> None:
        """Tell that it would be loaded."""
        print(" ".join(["load", self.name, *self._args(context)]))

    def _args(self, context: Context) -> list[str]:
        return context.getopts(self.name, self.args)

    def _path(self) -> str:
        """Return what the broker loads: a built-in module, or a file."""
        if self.module in MODULES or "/" in self.module:
            return self.module
        paths = (
            os.environ.get(name, "") for name in ("FLUX_MODULE_PATH_PREPEND", "FLUX_MODULE_PATH")
        )
        for folder in ":".join(paths).split(":"):
            path = os.path.join(folder, f"{self.module}.py")
            if folder and os.path.isfile(path):
                return path
        return self.module

    def is_there(self) -> bool:
        """Whether there is such a module: a built-in one, or a file of Python."""
        path = self._path()
        return path in MODULES or os.path.isfile(path)

    def to_dict(self) -> JsonObject:
        """Return what ``flux modprobe show`` prints."""
        return {
            "name": self.name,
            "module": self.module,
            "args": self.args,
            "ranks": str(self.ranks),
            "provides": self.provides,
            "requires": self.requires,
            "needs": self.needs,
            "before": self.before,
            "after": self.after,
            "priority": self.priority,
            "disabled": self.disabled,
            "exec": self.exec,
        }


def check(conf: Mapping[str, Any]) -> None:
    """Raise ValueError, which names the key, for a key of a description that there is not, or a
    value of another type.
    """
    for key, value in conf.items():
        if key not in KEYS:
            raise ValueError(f"invalid config key {key}")
        wanted = TYPES.get(key, list)
        whole = isinstance(value, wanted) and not (wanted is int and isinstance(value, bool))
        if not whole or (wanted is list and not all(isinstance(one, str) for one in value)):
            raise ValueError(f"{key}: expected {WORDS[wanted]}")


def built_in(name: str, module: BuiltIn) -> Module:
    """Return a built-in module as the broker's table has it."""
    return Module(
        {
            "name": name,
            "args": list(module.args),
            "ranks": "0" if module.leader_only else "all",
            "provides": list(module.provides),
            "requires": list(module.requires),
            "after": [*module.requires, *module.after],
            "needs-config": [module.table] if module.table else [],
            "priority": 50 if module.on_demand else 100,
        }
    )


class RemoveTask(Task):
    """A module that is to be unloaded."""

    def run(self, context: Context) -> None:
        """Have the broker unload it; raises OSError if it does not."""
        context.print(f"module.remove {self.name}")
        context.rpc("module.remove", {"name": self.name})

    def dry_run(self, context: Context) -> None:
        """Tell that it would be unloaded."""
        print(f"remove {self.name}")
