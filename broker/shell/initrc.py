"""The shell's Lua initrc (flux-shell(1), SHELL INITRC), run by real Lua through the optional
library lupa.

The names an initrc sees (``shell``, ``plugin``, ``task``, ``source``) are made by `PRELUDE` from
the functions of `Bridge`. Text of Lua is bytes: it is decoded and encoded as the names of files
are, so that every byte goes both ways.
"""

from __future__ import annotations

import errno
import glob
import inspect
import os
import sys
from typing import TYPE_CHECKING, Protocol

from broker.shell import facts
from broker.shell.levels import DEBUG, ERROR, ShellEnded, ShellFatal
from broker.shell.lua_text import CALLER, LOADER, PRELUDE

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.shell.context import ShellContext
    from broker.shell.plugin_files import PluginFiles
    from broker.shell.task import ShellTask

RC_PATH = "FLUX_SHELL_RC_PATH"


class Lua(Protocol):
    """What is used of lupa's runtime."""

    def execute(self, code: str | bytes, *args: object) -> object:
        """Run Lua code with arguments and return its result."""

    def table_from(self, value: object) -> object:
        """Return a Lua table with the members of a mapping or a list."""


class ScriptError(Exception):
    """An initrc or a file it sources cannot be run."""


def text_of(value: object) -> str:
    """Return text of Lua, or a number, as text."""
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)


def plain(value: object) -> object:
    """Return a Lua value as JSON would hold it: a table with the keys 1 to n is a list, any other
    an object. An empty table is an object.
    """
    if isinstance(value, bytes):
        return text_of(value)
    if not hasattr(value, "items"):
        return value
    items = dict(value.items())
    if (
        items
        and all(type(key) is int for key in items)
        and set(items) == {*range(1, len(items) + 1)}
    ):
        return [plain(items[key]) for key in range(1, len(items) + 1)]
    return {text_of(key): plain(inner) for key, inner in items.items()}


class Bridge:
    """What initrc scripts can do to a shell; each public method but `load_file` is a function of
    the prelude's ``py`` table, whose arguments are Lua's.

    ``fatal`` is what has ended the shell: it must not be lost on its way through Lua.
    """

    def __init__(self, shell: ShellContext, files: PluginFiles) -> None:
        self._shell = shell
        self._files = files
        self._lua = self._runtime()
        self._rcpath = ""
        self._fatal: ShellFatal | ShellEnded | None = None
        names = [name for name in dir(Bridge) if not name.startswith("_") and name != "load_file"]
        functions = {name.encode(): self._passed(getattr(self, name)) for name in names}
        table = self._lua.table_from(functions)
        self._lua.execute(PRELUDE, table)

    def _runtime(self) -> Lua:
        try:
            from lupa import lua51
        except ImportError:
            text = "Lua initrc files need the Python package lupa, which is not installed"
            self._shell.log(ERROR, text)
            raise ShellFatal("loading rc file: no Lua") from None
        runtime: Lua = lua51.LuaRuntime(
            encoding=None, unpack_returned_tuples=True, register_eval=False, register_builtins=False
        )
        return runtime

    def _passed(self, function: Callable[..., object]) -> Callable[..., object]:
        """Return a function for Lua: what ends the shell is kept, and the text of an exception is
        one that Lua can take.
        """

        def call(*args: object) -> object:
            try:
                return function(*args)
            except (ShellFatal, ShellEnded) as end:
                self._fatal = end
                raise ScriptError("the shell ends") from None
            except Exception as error:
                told = str(error) if _takes(function, args) else "wrong number of arguments"
                text = told.encode("utf-8", "surrogateescape")
                raise ScriptError(text.decode("utf-8", "backslashreplace")) from None

        return call

    def load_file(self, path: str) -> None:
        """Run an initrc; raises ShellFatal if it has an error."""
        self._shell.log(DEBUG, f"Loading {path}")
        try:
            self._run(path)
        except ScriptError as error:
            # Lua begins with the place, but for what a function of ours raised.
            placed = str(error).startswith(f"{path}:")
            self._shell.log(ERROR, str(error) if placed else f"{path}: {error}")
            raise ShellFatal(f"loading rc file {path}") from None

    def log(self, level: int, message: bytes, file: bytes, line: int) -> None:
        """Log for a script, with the place in the script."""
        component = self._shell.plugins.current or None
        name = os.path.basename(text_of(file))
        self._shell.log(int(level), text_of(message), component, file=name, line=int(line))

    def die(self, message: bytes) -> None:
        """End the job with a fatal exception."""
        raise ShellFatal(text_of(message))

    def write(self, stream: bytes, text: bytes) -> None:
        """Write to ``stdout`` or ``stderr``."""
        file = sys.stdout if stream == b"stdout" else sys.stderr
        file.write(text_of(text))
        file.flush()

    # The job's environment and options

    def getenv(self, name: bytes | None = None) -> object:
        """Return one variable of the job's environment, or all as a table."""
        env = self._shell.env
        return self._lua_value(env if name is None else env.get(text_of(name)))

    def setenv(self, name: object, value: object, overwrite: object = True) -> None:
        """Set a variable of the job's environment."""
        _set(self._shell.env, name, value, overwrite)

    def unsetenv(self, name: object) -> None:
        """Remove a variable of the job's environment."""
        self._shell.env.pop(text_of(name), None)

    def prepend_path(self, name: object, path: object) -> None:
        """Put a directory before those of a variable, separated by a colon."""
        env, variable = self._shell.env, text_of(name)
        before = env.get(variable)
        env[variable] = f"{text_of(path)}:{before}" if before else text_of(path)

    def getopt(self, name: object) -> object:
        """Return a shell option."""
        option = text_of(name)
        if option == "verbose":
            return self._shell.verbose
        if option == "standalone":
            return self._shell.standalone
        return self._lua_value(self._shell.option(option))

    def getopt_with_version(self, name: object) -> object:
        """Return a shell option and what stands in it behind ``@``, nil for none."""
        value = self._shell.option(text_of(name))
        if not isinstance(value, str):
            return self._lua_value(value), None
        option, _, version = value.partition("@")
        return self._lua_value(option), self._lua_value(version or None)

    def setopt(self, name: object, value: object) -> None:
        """Set a shell option."""
        option = text_of(name)
        if option == "verbose":
            level = plain(value)
            self._shell.set_verbose(int(level) if isinstance(level, int | float | str) else 1)
        else:
            self._shell.set_option(option, plain(value))

    # Facts

    def info(self) -> object:
        """Return ``shell.info``."""
        return self._lua_value(facts.shell_info(self._shell))

    def rankinfo(self, rank: float | None = None) -> object:
        """Return the facts of a shell rank, by default of this one; nil if there is no such
        rank.
        """
        try:
            return self._lua_value(facts.rank_info(self._shell, -1 if rank is None else int(rank)))
        except OSError:
            return None

    def _task(self) -> ShellTask:
        task = self._shell.current_task
        if task is None:
            raise ScriptError("attempt to access task outside of task. callback")
        return task

    def task_info(self) -> object:
        """Return ``task.info`` of the current task."""
        return self._lua_value(self._task().info())

    def task_getenv(self, name: object) -> object:
        """Return a variable of the current task."""
        return self._lua_value(self._task().env.get(text_of(name)))

    def task_setenv(self, name: object, value: object, overwrite: object = True) -> None:
        """Set a variable of the current task."""
        _set(self._task().env, name, value, overwrite)

    def task_unsetenv(self, name: object) -> None:
        """Remove a variable of the current task."""
        self._task().env.pop(text_of(name), None)

    # Plugins and other files

    def getpath(self) -> object:
        """Return ``plugin.searchpath``."""
        return self._lua_value(self._files.searchpath)

    def setpath(self, path: object) -> None:
        """Set ``plugin.searchpath``."""
        self._files.searchpath = text_of(path)

    def getrcpath(self) -> object:
        """Return the directory of the file that runs."""
        return self._lua_value(self._rcpath)

    def push(self, name: object) -> None:
        """Begin a Lua plugin."""
        self._shell.plugins.push(text_of(name))

    def register(self, name: object, topic: object, function: Callable[..., object]) -> None:
        """Register a handler of a Lua plugin."""
        plugin = text_of(name)
        self._shell.plugins.register(plugin, text_of(topic), self._guard(plugin, function))

    def load(self, pattern: object, conf: object = None) -> None:
        """Load plugins written in Python."""
        given = plain(conf)
        try:
            self._files.load(text_of(pattern), given if isinstance(given, dict) else None)
        except OSError as error:
            raise ScriptError(str(error.strerror)) from None

    def source(self, pattern: object, required: bool) -> None:
        """Run other Lua files."""
        name = text_of(pattern)
        found = sorted(glob.glob(os.path.join(self._rcpath, name)))
        if not found and required and not glob.has_magic(name):
            raise ScriptError(f"source {name}: No such file or directory")
        for path in found:
            self._run(path)

    def source_rcpath(self, pattern: object) -> None:
        """Run the files that match in ``lua.d`` beside the initrc, and in `RC_PATH`."""
        folders = [os.path.join(self._rcpath, "lua.d"), *os.environ.get(RC_PATH, "").split(":")]
        for folder in filter(None, folders):
            for path in sorted(glob.glob(os.path.join(folder, text_of(pattern)))):
                self._run(path)

    def source_rcpath_option(self, option: object) -> None:
        """Run the file that the value of an option names in the directory of the option's name
        beside the initrc.
        """
        name = text_of(option)
        value = self._shell.option(name)
        if isinstance(value, str):
            folders = [self._rcpath, *os.environ.get(RC_PATH, "").split(":")]
            for folder in filter(None, folders):
                path = os.path.join(folder, name, f"{os.path.basename(value)}.lua")
                if os.path.exists(path):
                    self._run(path)

    def _run(self, path: str) -> None:
        """Run a Lua file; raises ScriptError with Lua's message."""
        try:
            with open(path, "rb") as file:
                code = file.read()
        except OSError as error:
            raise ScriptError(f"{path}: {error.strerror}") from None
        outer, self._rcpath = self._rcpath, os.path.dirname(os.path.abspath(path))
        message = self._lua.execute(LOADER, code, os.fsencode(path))
        self._rcpath = outer
        self._raise(message)

    def _raise(self, message: object) -> None:
        if self._fatal is not None:
            raise self._fatal
        if message is not None:
            raise ScriptError(text_of(message))

    def _guard(self, name: str, function: Callable[..., object]) -> Callable[..., object]:
        """Return a handler that turns an error of its Lua function into an OSError."""

        def call(topic: str, *_: object) -> None:
            message = self._lua.execute(CALLER, function, topic.encode())
            try:
                self._raise(message)
            except ScriptError as error:
                self._shell.log(ERROR, f"lua plugin {name}: {error}")
                raise OSError(errno.EINVAL, f"lua plugin {name}: {error}") from None

        return call

    def _lua_value(self, value: object) -> object:
        """Return a value of JSON as one of Lua."""
        if isinstance(value, str):
            return value.encode("utf-8", "surrogateescape")
        if isinstance(value, dict):
            return self._lua.table_from(
                {self._lua_value(key): self._lua_value(inner) for key, inner in value.items()}
            )
        if isinstance(value, list | tuple):
            return self._lua.table_from([self._lua_value(inner) for inner in value])
        return value


def _takes(function: Callable[..., object], args: tuple[object, ...]) -> bool:
    """Return whether a function takes so many arguments."""
    try:
        inspect.signature(function).bind(*args)
    except TypeError:
        return False
    return True


def _set(env: dict[str, str], name: object, value: object, overwrite: object) -> None:
    variable = text_of(name)
    if variable not in env or (overwrite is not False and overwrite != 0):
        env[variable] = text_of(value)
