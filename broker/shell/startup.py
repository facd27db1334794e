"""What is loaded when a shell starts: the built-in plugins, the instance's initrc or the job's, the
job's ``userrc``.

An initrc is a Lua file or, where its name ends in ``.py``, a plugin in Python.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from broker.shell.levels import ERROR, ShellFatal
from broker.shell.plugin import shown, switch
from broker.shell.plugin_path import has_directory, plugin_path
from broker.shell.plugins import BUILTINS, USUAL

if TYPE_CHECKING:
    from broker.shell.context import ShellContext
    from broker.shell.initrc import Bridge
    from broker.shell.plugin import ShellPlugin
    from broker.shell.plugin_files import PluginFiles

SWITCHES: Final = ("nosetpgrp", "linger")
"""Options that no plugin reads."""
PYTHON: Final = ".py"


def load(shell: ShellContext) -> None:
    """Load the plugins of a job.

    Built-in plugins come first, so that others may replace them, but read options only after them.
    Raises ShellFatal if a file is missing or has an error.
    """
    kinds = BUILTINS if shell.options or _brings_files(shell) else USUAL
    plugins = [kind(shell) for kind in kinds]
    for plugin in plugins:
        shell.plugins.load(plugin)
    shell.plugins.call("shell.connect")
    _load_files(shell)
    _check_switches(shell)
    if shell.option("taskmap") is not None or shell.option("rlimit") is not None:
        from broker.shell.mapping import map_tasks

        map_tasks(shell)
    for plugin in plugins:
        shell.on_fatal.append(plugin.stop)
        shell.on_end.append(plugin.close)
        if shell.plugins.is_builtin(plugin.name) and not _wanted(plugin):
            shell.plugins.remove(plugin.name)


def _wanted(plugin: ShellPlugin) -> bool:
    try:
        return plugin.wanted()
    except OSError as error:  # has been logged
        raise ShellFatal(f"shell_init: {error.strerror}") from None


def _check_switches(shell: ShellContext) -> None:
    for name in SWITCHES:
        value = shell.option(name)
        if switch(value) is None:
            raise ShellFatal(f"{name}={shown(value)} is invalid: it is true or false")


def _brings_files(shell: ShellContext) -> bool:
    """Whether there is anything to load that is not built in; most jobs have nothing, and pay for
    nothing.
    """
    if shell.option("initrc") or shell.initrc or shell.option("userrc"):
        return True
    return has_directory(plugin_path(shell.pluginpath))


def _load_files(shell: ShellContext) -> None:
    if _brings_files(shell):
        Startup(shell).run(str(shell.option("initrc") or shell.initrc or ""))


class Startup:
    """The loading of files for one shell."""

    def __init__(self, shell: ShellContext) -> None:
        from broker.shell.plugin_files import PluginFiles

        self._shell = shell
        shell.customized = True
        if shell.owns_process:
            from broker.shell.printing import log_what_is_printed

            log_what_is_printed(shell)
        self._files: PluginFiles = PluginFiles(shell, plugin_path(shell.pluginpath))
        self._bridge: Bridge | None = None

    def run(self, initrc: str) -> None:
        """Load ``initrc``, or without one every plugin of the search path, then the job's
        ``userrc``.
        """
        if initrc:
            self._load(initrc)
        elif not self._shell.standalone:
            self._load_all()
        # An initrc may set the option.
        userrc = self._shell.option("userrc")
        if userrc:
            self._load(str(userrc))

    def _load_all(self) -> None:
        try:
            self._files.load("*" + PYTHON)
        except OSError as error:
            self._fail(self._files.searchpath, str(error.strerror))

    def _load(self, path: str) -> None:
        if not os.path.exists(path):
            raise ShellFatal(f"loading rc file {path}: No such file or directory")
        if path.endswith(PYTHON):
            try:
                self._files.load_file(os.path.abspath(path))
            except OSError as error:
                self._fail(path, str(error.strerror))
            return
        if self._bridge is None:
            from broker.shell.initrc import Bridge

            self._bridge = Bridge(self._shell, self._files)
        self._bridge.load_file(path)

    def _fail(self, path: str, text: str) -> None:
        self._shell.log(ERROR, text)
        raise ShellFatal(f"loading rc file {path}")
