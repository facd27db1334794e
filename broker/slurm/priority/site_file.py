"""The file of a site-factor plugin: where it is, and what it says."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final, NamedTuple

from flux.wire.errors import os_error

if TYPE_CHECKING:
    from collections.abc import Sequence

PREFIX: Final = "site_factor/"
NONE: Final = "site_factor/none"
MAX_BYTES: Final = 1 << 24
FOLDERS: Final = ("/etc/flux/site_factor", "/usr/local/lib/slurm", "/usr/lib/slurm")
"""Where plugins are looked for that are named without a path, unless the configuration says."""


class SiteFile(NamedTuple):
    """A plugin: its name in sentences, its path, and its text."""

    name: str
    path: str
    source: str


def read_site_file(plugin: str, folders: Sequence[str]) -> SiteFile:
    """Return the plugin that the configuration names: ``site_factor/NAME`` is the file
    ``site_factor_NAME.py`` in one of ``folders``, anything else is a path.

    Raises OSError: ENOENT without such a file, EINVAL for one that is no text of Python, or why it
    cannot be read.
    """
    path = _path_of(plugin, folders or FOLDERS)
    name = plugin if plugin.startswith(PREFIX) else os.path.basename(path)
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as exc:
        raise OSError(exc.errno, f"{path}: {os_error(exc.errno or errno.EIO).strerror}") from None
    if data.startswith(b"\x7fELF"):
        text = "compiled plugins cannot be loaded, only ones in Python (docs/slurm-site-factor.md)"
        raise OSError(errno.EINVAL, f"{path}: {text}")
    if len(data) > MAX_BYTES:
        raise OSError(errno.EINVAL, f"{path}: it is too large for a plugin")
    try:
        return SiteFile(name, path, data.decode())
    except UnicodeDecodeError:
        raise OSError(errno.EINVAL, f"{path}: a plugin is text in UTF-8") from None


def _path_of(plugin: str, folders: Sequence[str]) -> str:
    if not plugin.startswith(PREFIX):
        return plugin
    short = plugin.removeprefix(PREFIX)
    if not short or "/" in short:
        raise OSError(errno.EINVAL, f"{plugin}: a plugin is named {PREFIX}NAME, or by its path")
    names = [os.path.join(folder, f"site_factor_{short}.py") for folder in folders]
    for name in names:
        if os.path.exists(name):
            return name
    raise OSError(errno.ENOENT, f"there is no {' or '.join(names)}")
