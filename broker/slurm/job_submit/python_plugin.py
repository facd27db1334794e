"""Plugins in Python: a file with ``plugin_name``, ``plugin_type`` and ``plugin_version``, and the
functions ``job_submit`` and ``job_modify``.

Their arguments are those of the manual, or those that Lua scripts have: what a function is given
is seen from how many arguments it takes, and from the name ``part_list`` among them.
"""

from __future__ import annotations

import errno
import importlib
import inspect
import os
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Final, TypeAlias

from broker.faults import FAILURES, described
from broker.slurm.job_submit.kinds import type_name
from broker.slurm.job_submit.python_api import JobObject, partition_views

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from broker.slurm.job_submit.job_desc import JobDesc, JobRec
    from broker.slurm.job_submit.surroundings import Surroundings
    from broker.slurm.job_submit.talk import Talk

    Function: TypeAlias = Callable[..., object]
    Sources: TypeAlias = Mapping[str, Callable[[], object]]

MAJOR: Final = "job_submit"
SHIPPED: Final = ("defaults", "logging", "partition")
"""The plugins in `broker.slurm.job_submit.shipped`."""
FUNCTIONS: Final = (("job_submit", "slurm_job_submit"), ("job_modify", "slurm_job_modify"))
_PARTS: Final = ("part_list", "partitions", "parts")


class PythonPlugin:
    """A plugin that is a module: one of the shipped ones, or the file ``path``.

    ``conf`` is its table of the configuration, which its function ``init`` gets if it has one.
    Raises OSError(EINVAL) for a file that is not a plugin, OSError as the file says.
    """

    def __init__(
        self,
        name: str,
        path: str | None,
        conf: Mapping[str, object],
        talk: Talk,
        surroundings: Surroundings,
    ) -> None:
        self.name = name
        self._talk = talk
        self._surroundings = surroundings
        module = _shipped(name) if path is None else _from_file(name, path)
        self.file = module.__file__ or name
        self._submit, self._modify = _functions(module, name, os.path.basename(self.file))
        init = getattr(module, "init", None)
        if callable(init):
            try:
                init(dict(conf))
            except ValueError as exc:
                raise OSError(errno.EINVAL, str(exc)) from None
            except FAILURES as exc:
                raise OSError(errno.EINVAL, described(exc, self.file)) from None
        elif set(conf) - {"path"}:
            key = next(key for key in conf if key != "path")
            raise OSError(errno.EINVAL, f"{key}: the plugin has no function init that takes it")

    def submit(self, draft: JobDesc, userid: int) -> int:
        """Call ``job_submit``."""
        sources: Sources = {"job": lambda: JobObject(draft), **self._others(userid)}
        return self._code(self._submit, ("job", "parts", "user"), sources)

    def modify(self, draft: JobDesc, record: JobRec, userid: int) -> int:
        """Call ``job_modify``."""
        sources: Sources = {
            "job": lambda: JobObject(draft),
            "record": lambda: JobObject(record),
            **self._others(userid),
        }
        return self._code(self._modify, ("job", "record", "parts", "user"), sources)

    def _others(self, userid: int) -> Sources:
        return {"parts": lambda: partition_views(self._surroundings), "user": lambda: userid}

    def _code(self, function: Function, roles: tuple[str, ...], sources: Sources) -> int:
        code = function(*(sources[role]() for role in _given(function, roles)))
        if not isinstance(code, int) or isinstance(code, bool):
            raise OSError(
                errno.EINVAL,
                f"job_submit/{self.name}: returned {type_name(code)}, not the number of an error",
            )
        return code


def _given(function: Function, roles: tuple[str, ...]) -> tuple[str, ...]:
    """Return which arguments a function takes: one fewer than all are those without partitions."""
    names = list(inspect.signature(function).parameters)
    if len(names) >= len(roles):
        return roles
    if len(names) == len(roles) - 1 and names[-1] not in _PARTS:
        return tuple(role for role in roles if role != "parts")
    return roles[: len(names)]


def _functions(module: ModuleType, name: str, file: str) -> tuple[Function, Function]:
    for attribute, kind in (("plugin_name", str), ("plugin_type", str), ("plugin_version", int)):
        if not isinstance(getattr(module, attribute, None), kind):
            raise OSError(errno.EINVAL, f"{file}: not a plugin: {attribute} is not defined")
    if module.plugin_type != f"{MAJOR}/{name}":
        text = f'plugin_type is "{module.plugin_type}", not "{MAJOR}/{name}"'
        raise OSError(errno.EINVAL, f"{file}: {text}")
    found = []
    for names in FUNCTIONS:
        functions = [getattr(module, name, None) for name in names]
        function = next((it for it in functions if callable(it)), None)
        if function is None:
            text = f"not a plugin: the function {names[0]} is not defined"
            raise OSError(errno.EINVAL, f"{file}: {text}")
        found.append(function)
    return found[0], found[1]


def _shipped(name: str) -> ModuleType:
    return importlib.import_module(f"broker.slurm.job_submit.shipped.{name}_plugin")


def _from_file(name: str, path: str) -> ModuleType:
    """Run a file as a module of its own."""
    with open(path, "rb") as file:
        source = file.read()
    module = ModuleType(f"job_submit_{name}")
    module.__file__ = path
    sys.modules[module.__name__] = module  # where dataclasses, for one, look names up
    try:
        exec(compile(source, path, "exec"), module.__dict__)
    except FAILURES as exc:
        del sys.modules[module.__name__]
        raise OSError(errno.EINVAL, f"{os.path.basename(path)}: {described(exc, path)}") from None
    return module
