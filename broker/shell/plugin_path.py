"""Where a site's plugins of the job shell are looked for."""

from __future__ import annotations

import os
from typing import Final

VARIABLE: Final = "FLUX_SHELL_PLUGINPATH"


def plugin_path(attribute: str) -> str:
    """Return the directories, separated by colons: what the variable `VARIABLE` of the broker says,
    or the attribute ``conf.shell_pluginpath``.
    """
    return os.environ.get(VARIABLE) or attribute


def has_directory(path: str) -> bool:
    """Tell whether one of the directories of ``path`` exists."""
    return any(os.path.isdir(folder) for folder in path.split(":") if folder)
