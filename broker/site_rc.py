"""Whether a site has something of its own done when a broker starts and ends: files that ``flux
modprobe`` reads.

Brokers look at a directory and at variables; what is in the files is read by the command.
"""

from __future__ import annotations

import os
from typing import Final

from flux.conf_builtin import MODPROBE, MODPROBE_PATH

VARIABLES: Final = tuple(f"{MODPROBE_PATH}{end}" for end in ("", "_PREPEND", "_APPEND"))
BUILT_IN: Final = "built-in"
"""The value of ``broker.rc1_path`` and ``broker.rc3_path`` for what the broker does itself."""


def command_of(name: str) -> str | None:
    """Return the command that stands for the built-in rc1 or rc3, None if the site has no files."""
    named = any(os.environ.get(variable) for variable in VARIABLES)
    if not named and not os.path.isdir(MODPROBE):
        return None
    from flux.modprobe_site import has_files

    return f"exec flux modprobe {name}" if has_files(name) else None
