"""What ``flux start --recovery`` starts from: an archive of ``flux dump``, or a state directory."""

from __future__ import annotations

import os
from typing import Final

from fluxctl.errors import CommandError

SYSTEM: Final = "\0"
"""The target where none is named: the system instance's, with its configuration."""
CONFIGURATION: Final = "/etc/flux/system/conf.d"
STATEDIR: Final = "/var/lib/flux"
STORES: Final = {"content.sqlite": None, "content.files": "content-files"}
"""Stores that a state directory may have, and the module that has to be named for one."""

MODE: Final = (
    "--setattr=broker.recovery-mode=1",
    "--setattr=broker.quorum=0",
    "--setattr=log-stderr-level=5",
    "--setattr=content.collect-growth=0",
)
"""One broker is enough, it says what it warns of, and drops nothing from the store by itself."""


def recovery_options(target: str) -> list[str]:
    """Return the options of the broker; raises CommandError for what is nothing to start from."""
    path = STATEDIR if target == SYSTEM else target
    if not os.path.isdir(path):
        _require(path)
        return [*MODE, f"--setattr=content.restore={path}"]
    found = [name for name in STORES if os.path.lexists(os.path.join(path, name))]
    if not found:
        _require(os.path.join(path, next(iter(STORES))))
    module = STORES[found[0]]
    named = [] if module is None else [f"--setattr=content.backing-module={module}"]
    return [*MODE, f"--setattr=statedir={path}", *named]


def _require(path: str) -> None:
    """Raise CommandError if there is no such file, or it cannot be looked at."""
    try:
        os.stat(path)
    except OSError as exc:
        raise CommandError(f"{path}: {exc.strerror}") from None
