"""Python code of others, from files and from packages that have room for it (flux.importer of
today's flux-core).
"""

from __future__ import annotations

import errno
import importlib
import importlib.util
import os
import pkgutil
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType


def import_path(file_path: str | os.PathLike[str]) -> ModuleType:
    """Return the module that a Python file makes, which is called as the file is.

    It is run each time. Raises OSError if it cannot be read or has another suffix, and whatever the
    file raises.
    """
    path = os.fspath(file_path)
    with open(path, "rb"):
        pass  # the reason, rather than an ImportError, if it cannot be read
    name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise OSError(errno.EINVAL, "it is no Python file", path)
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up; but a file json.py must not become everybody's json.
    own = name not in sys.modules
    if own:
        sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    finally:
        if own:
            del sys.modules[name]
    return module


def import_plugins_pkg(ns_pkg: ModuleType) -> dict[str, ModuleType]:
    """Return the modules of a package by the last part of their names; raises whatever they
    raise.
    """
    return {
        found.name: importlib.import_module(f"{ns_pkg.__name__}.{found.name}")
        for found in pkgutil.iter_modules(ns_pkg.__path__)
    }


def import_plugins(
    pkg_name: str, pluginpath: str | Iterable[str] | None = None
) -> dict[str, ModuleType]:
    """Return the plugins of a package and of folders that are searched before it, by name.

    ``pluginpath`` is a list of folders, or one. A folder that does not exist has none, nor has a
    package. Raises whatever a plugin raises.
    """
    folders = [pluginpath] if isinstance(pluginpath, str) else list(pluginpath or ())
    found: dict[str, ModuleType] = {}
    for folder in folders:
        for name in python_files(folder):
            found.setdefault(name, import_path(os.path.join(folder, f"{name}.py")))
    try:
        package = importlib.import_module(pkg_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{pkg_name}.".startswith(f"{error.name}."):
            raise
        return found
    return {**import_plugins_pkg(package), **found}


def python_files(folder: str) -> list[str]:
    """Return the names of the Python files of a folder, without their suffix, sorted; of one that
    does not exist or cannot be read there are none.
    """
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    return sorted(name[:-3] for name in names if name.endswith(".py") and name != "__init__.py")
