"""Plugins in files: where they are looked for, and how they are loaded."""

from __future__ import annotations

import errno
import glob
import importlib.util
import os
import sys
from typing import TYPE_CHECKING, Final

from broker.shell.guarding import call_guarded
from broker.shell.handle import ShellHandle
from broker.shell.levels import DEBUG

if TYPE_CHECKING:
    from collections.abc import Mapping

    from broker.shell.context import ShellContext

INIT: Final = "flux_plugin_init"
SUFFIX: Final = ".py"


class PluginFiles:
    """Loads plugins into a shell; ``searchpath`` are directories separated by colons."""

    def __init__(self, shell: ShellContext, searchpath: str) -> None:
        self._shell = shell
        self.searchpath = searchpath

    def load(self, pattern: str, conf: Mapping[str, object] | None = None) -> None:
        """Load every file that ``pattern`` matches, an absolute path or a name in `searchpath`.

        Raises OSError: ENOENT if a name without wildcards has no file, EINVAL if a file is no
        plugin or fails.
        """
        found = self.find(pattern)
        if not found and not glob.has_magic(pattern):
            raise OSError(errno.ENOENT, f"plugin.load: {pattern}: File not found")
        for path in found:
            self.load_file(path, conf)

    def find(self, pattern: str) -> list[str]:
        """Return the files that ``pattern`` matches: of each directory in alphabetical order."""
        folders = [""] if pattern.startswith("/") else [f for f in self.searchpath.split(":") if f]
        return [
            path for folder in folders for path in sorted(glob.glob(os.path.join(folder, pattern)))
        ]

    def load_file(self, path: str, conf: Mapping[str, object] | None = None) -> None:
        """Load the plugin in the file ``path``; it is called as the file without ``.py``.

        Raises OSError(EINVAL) if it is no plugin or fails.
        """
        name = os.path.basename(path).removesuffix(SUFFIX)
        spec = None
        if path.endswith(SUFFIX):
            spec = importlib.util.spec_from_file_location(f"flux_shell_plugin_{name}", path)
        if spec is None or spec.loader is None:
            text = f"plugin.load: {path}: not a Python plugin, whose name ends in {SUFFIX}"
            raise OSError(errno.EINVAL, text)
        shell = self._shell
        shell.log(DEBUG, f"Loading {path}")
        module = importlib.util.module_from_spec(spec)
        # Dataclasses and pickles of a plugin look up its module by name.
        sys.modules[spec.name] = module
        outer, shell.plugins.current = shell.plugins.current, name
        # A plugin is a user's file: no byte code is to be left beside it.
        keep, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        try:
            call_guarded(shell, name, f"plugin.load: {path}", spec.loader.exec_module, module)
            init = getattr(module, INIT, None)
            if init is None:
                raise OSError(errno.EINVAL, f"plugin.load: {path}: no {INIT}")
            shell.plugins.push(name)
            handle = ShellHandle(shell, name, self)
            call_guarded(shell, name, f"{path}: {INIT}", init, handle, dict(conf or {}))
        finally:
            sys.dont_write_bytecode = keep
            shell.plugins.current = outer
