"""What a site adds to ``flux modprobe``: where its files are, and how they are read.

In each directory of the search path ``modprobe.toml`` and ``modprobe.d/*.toml`` describe modules,
``rc1.d/*.py`` and ``rc3.d/*.py`` have tasks of the broker's start and end.
"""

from __future__ import annotations

import glob
import os
import tomllib
from typing import TYPE_CHECKING

from flux.conf_builtin import MODPROBE, MODPROBE_PATH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flux.wire.json import JsonObject


def search_path(environ: Mapping[str, str] | None = None) -> list[str]:
    """Return the directories: those of FLUX_MODPROBE_PATH_PREPEND, those of FLUX_MODPROBE_PATH or
    else the one of the system, and those of FLUX_MODPROBE_PATH_APPEND.
    """
    variables = os.environ if environ is None else environ
    found = [
        *variables.get(f"{MODPROBE_PATH}_PREPEND", "").split(":"),
        *variables.get(MODPROBE_PATH, MODPROBE).split(":"),
        *variables.get(f"{MODPROBE_PATH}_APPEND", "").split(":"),
    ]
    return list(dict.fromkeys(filter(None, found)))


def toml_files() -> list[str]:
    """Return the files that describe modules, in the order in which they are read."""
    return _files("modprobe.toml", "modprobe.d/*.toml")


def rc_files(name: str) -> list[str]:
    """Return the files of tasks of ``rc1`` or ``rc3``, in the order in which they are read."""
    return _files(f"{name}.d/*.py")


def _files(*patterns: str) -> list[str]:
    return [
        os.path.join(folder, found)
        for folder in search_path()
        for pattern in patterns
        for found in sorted(glob.glob(pattern, root_dir=folder))
    ]


def has_files(name: str) -> bool:
    """Whether there is anything to read for ``rc1`` or ``rc3``."""
    there = [folder for folder in search_path() if os.path.isdir(folder)]
    return bool(there and (rc_files(name) or (name == "rc1" and toml_files())))


def read_toml(path: str) -> JsonObject:
    """Return the tables of a file; raises OSError if it cannot be read, ValueError, which names the
    file, if it is not TOML.
    """
    with open(path, "rb") as file:
        try:
            return tomllib.load(file)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{path}: {error}") from None
