"""The environment that ``flux`` gives every command (flux(1), SUB-COMMAND ENVIRONMENT)."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from flux import install

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Variable, separator, variable whose value goes first, install path.
_SEARCH_PATHS = (
    ("FLUX_CONNECTOR_PATH", ":", "FLUX_CONNECTOR_PATH_PREPEND", install.CONNECTORS),
    ("FLUX_EXEC_PATH", ":", "FLUX_EXEC_PATH_PREPEND", install.COMMANDS),
    ("FLUX_MODULE_PATH", ":", "FLUX_MODULE_PATH_PREPEND", install.MODULES),
    ("LUA_CPATH", ";", "FLUX_LUA_CPATH_PREPEND", f"{install.SHELL}/?.so"),
    ("LUA_PATH", ";", "FLUX_LUA_PATH_PREPEND", f"{install.SHELL}/?.lua"),
    ("PYTHONPATH", ":", "FLUX_PYTHONPATH_PREPEND", install.PYTHON),
)

SHOWN = (
    *(name for name, _, _, _ in _SEARCH_PATHS),
    "FLUX_PMI_LIBRARY_PATH",
    "FLUX_PYTHON_SITE",
    "FLUX_SEC_DIRECTORY",
    "FLUX_URI",
    "MANPATH",
    "PATH",
)
"""The variables that ``flux env`` prints."""


def _joined(separator: str, *values: str) -> str:
    """Return search paths as one: no empty entries, and of each entry its first occurrence."""
    entries = (entry for value in values for entry in value.split(separator))
    return separator.join(dict.fromkeys(filter(None, entries)))


def _manual_path(present: str) -> str:
    """Return MANPATH: our own directory, then what was set; an empty entry at its end stands for
    the system's.
    """
    others = [entry for entry in present.split(":") if entry != install.MANUAL]
    return ":".join((install.MANUAL, *(others or [""])))


def _finds(path: str, program: str) -> str | None:
    """Return the directory of a search path that a program's name leads to."""
    for folder in filter(None, path.split(":")):
        if os.access(f"{folder}/{program}", os.X_OK):
            return folder
    return None


def _command_path(path: str, argv0: str) -> str:
    """Return PATH with the directory of the called ``flux`` in front, if a path was called.

    A script is not told by which word it was called: a name and the path that PATH gives it look
    the same to it. So PATH stays as it is when its ``flux`` is this one.
    """
    if "/" not in argv0:
        return path
    folder = os.path.dirname(os.path.abspath(argv0))
    if os.path.isabs(argv0) and _finds(path, os.path.basename(argv0)) == folder:
        return path
    return _joined(":", folder, path)


def prepared(environ: Mapping[str, str], argv0: str, site: str = "") -> dict[str, str]:
    """Return the variables that ``flux`` sets, given the environment it was called in.

    ``argv0`` is what was called, ``site`` a directory with the packages that ours need, empty if it
    is the directory of ours.
    """
    found = {
        name: _joined(separator, environ.get(first, ""), place, environ.get(name, ""))
        for name, separator, first, place in _SEARCH_PATHS
    }
    found["LUA_PATH"] += ";;;"
    found["LUA_CPATH"] += ";;;"
    found["FLUX_PMI_LIBRARY_PATH"] = install.PMI_LIBRARY
    found["MANPATH"] = _manual_path(environ.get("MANPATH", ""))
    found["PATH"] = _command_path(environ.get("PATH", os.defpath), argv0)
    if site:
        found["FLUX_PYTHON_SITE"] = site
    if "FLUX_SEC_DIRECTORY" not in environ and environ.get("HOME"):
        found["FLUX_SEC_DIRECTORY"] = f"{environ['HOME']}/flux"
    return found


def prepare() -> None:
    """Set up the environment of this process for the command that it runs or becomes."""
    site = "" if install.ROOT.endswith("-packages") else _site()
    os.environ.update(prepared(os.environ, sys.argv[0], site))


def _site() -> str:
    """Return where the interpreter's packages are: ours is installed in development mode."""
    return next((folder for folder in sys.path if folder.endswith("site-packages")), "")


def _quoted(value: str) -> str:
    for special in '\\"$`':
        value = value.replace(special, f"\\{special}")
    return f'"{value}"'


def exports(environ: Mapping[str, str], names: Iterable[str] = SHOWN) -> list[str]:
    """Return lines for a shell that set the variables of ``names`` which are set here."""
    return [f"export {name}={_quoted(environ[name])}" for name in sorted(names) if name in environ]
