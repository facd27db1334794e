"""Where ``flux module`` finds a module: among those of the broker, in a file, in the directories of
FLUX_MODULE_PATH.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from flux.core.attributes import attribute_of
from fluxctl.errors import CommandError
from fluxctl.hints import did_you_mean

if TYPE_CHECKING:
    from flux.core.handle import Flux


def locate(h: Flux | None, name: str) -> str:
    """Return what to ask the broker of ``h`` to load: a built-in module's name, or the path of a
    file.

    Raises CommandError if there is no such module.
    """
    if "/" in name:
        path = os.path.abspath(name)
        if not os.path.isfile(path):
            number = errno.EISDIR if os.path.isdir(path) else errno.ENOENT
            raise CommandError(f"{name}: {os.strerror(number)}")
        return path
    found = _in_search_path(name)
    if found is not None:
        return found
    from flux.modules import find

    if find(name) is not None:
        return (_installed(h, name) if h is not None else None) or name
    hint = f" (the file is named ./{name})" if os.path.isfile(name) else ""
    hint = hint or did_you_mean(name, known_names)
    raise CommandError(f"{name}: not found in module search path{hint}")


def known_names() -> list[str]:
    """Return the names of the built-in modules, and of the files in the search path."""
    from flux.modules import MODULES

    files = [path for folder in _folders() for path in _files(folder)]
    return [*MODULES, *(os.path.basename(path).removesuffix(".py") for path in files)]


def _folders() -> list[str]:
    """Return the directories in which modules are looked for."""
    paths = (os.environ.get(name, "") for name in ("FLUX_MODULE_PATH_PREPEND", "FLUX_MODULE_PATH"))
    return [folder for path in paths for folder in path.split(":") if folder]


def _in_search_path(name: str) -> str | None:
    """Return the file in FLUX_MODULE_PATH whose ``mod_name`` is ``name``; one that is called so
    comes first.
    """
    for folder in _folders():
        for suffix in (".py", ".so"):
            path = os.path.join(folder, name + suffix)
            if os.path.exists(path):
                return path
        for path in _files(folder):
            try:
                if name_in_file(path) == name:
                    return path
            except CommandError:
                continue
    return None


def _files(folder: str) -> list[str]:
    try:
        return sorted(
            os.path.join(folder, entry) for entry in os.listdir(folder) if entry.endswith(".py")
        )
    except OSError:
        return []


def _installed(h: Flux, name: str) -> str | None:
    """Path of the module in the broker's own module path: flux-core's broker, unlike ours, loads
    its modules from files.
    """
    try:
        folders = (attribute_of(h, "conf.module_path") or "").split(":")
    except OSError:
        return None
    paths = (os.path.join(folder, f"{name}.so") for folder in folders if folder)
    return next((path for path in paths if os.path.exists(path)), None)


def name_in_file(path: str) -> str:
    """Return the ``mod_name`` that a Python file defines, without running it.

    Raises CommandError for a file that is no Python, or defines none.
    """
    import ast

    try:
        with open(path, "rb") as file:
            body = ast.parse(file.read(), path).body
    except OSError as exc:
        raise CommandError(f"{path}: {exc.strerror}") from None
    except (SyntaxError, ValueError) as exc:
        raise CommandError(f"{path}: {exc}") from None
    for statement in body:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id="mod_name")], value=ast.Constant(value=str(found)))
                | ast.AnnAssign(
                    target=ast.Name(id="mod_name"), value=ast.Constant(value=str(found))
                )
            ):
                return found
    raise CommandError(f"{path} defines no mod_name")


def source_of(name: str) -> str:
    """Return the file of a built-in module."""
    from importlib.util import find_spec

    from flux.modules import find

    source = find(name)
    spec = find_spec(source) if source is not None else None
    return spec.origin if spec is not None and spec.origin else name
