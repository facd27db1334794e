"""Where plugins of the submission commands are, and whether there may be any: most often there are
none, and then nothing of them is imported.
"""

from __future__ import annotations

import os
from typing import Final

import flux
from flux.conf_builtin import CONFIGURATION

SEARCH_PATH: Final = "FLUX_CLI_PLUGINPATH"
"""Environment variable: folders of plugins, separated by colons, before those of the system."""
ONLY_PATH: Final = "FLUX_CLI_PLUGINPATH_OVERRIDE"
"""Environment variable: folders of plugins instead of those; empty for none."""
NAMESPACE: Final = "flux.cli.plugins"
"""The package whose modules are plugins, too."""


def search_path() -> list[str]:
    """Return the folders whose Python files are plugins, the first of which count most."""
    only = os.environ.get(ONLY_PATH)
    if only is not None:
        return [folder for folder in only.split(":") if folder]
    mine = [folder for folder in os.environ.get(SEARCH_PATH, "").split(":") if folder]
    return [*mine, f"{CONFIGURATION}/cli/plugins"]


def may_have_plugins() -> bool:
    """Whether a folder that is searched has a Python file in it, or the package has."""
    packages = (os.path.join(folder, "cli", "plugins") for folder in flux.__path__)
    return any(_has_module(folder) for folder in (*search_path(), *packages))


def _has_module(folder: str) -> bool:
    try:
        names = os.listdir(folder)
    except OSError:
        return False
    return any(name.endswith(".py") and name != "__init__.py" for name in names)
