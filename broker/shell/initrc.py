"""The shell's Lua initrc (flux-shell(1), SHELL INITRC), run by real Lua through the optional
library lupa.

The names an initrc sees (``shell``, ``plugin``, ``task``, ``source``) are made by `PRELUDE` from
the functions of `Bridge`.
"""

from __future__ import annotations

import glob
import importlib.util
import os
from typing import TYPE_CHECKING, Protocol

from broker.shell.levels import DEBUG, ERROR, ShellFatal

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.shell.context import ShellContext
    from broker.shell.task import ShellTask

PRELUDE = """
local py = ...
local function where()
  for level = 3, 8 do
    local i = debug.getinfo(level, "Sl")
    if i and i.currentline and i.currentline > 0 then return i.short_src, i.currentline end
  end
  return "initrc.lua", 0
end
local function logger(level)
  return function (...) local f, l = where(); py.log(level, string.format(...), f, l) end
end
shell = { log = logger(5), debug = logger(6), log_error = logger(3), rcpath = py.rcpath,
  die = function (...) local f, l = where(); py.die(string.format(...)) end,
  getenv = py.getenv, setenv = py.setenv, unsetenv = py.unsetenv, get_rankinfo = py.rankinfo }
shell.options = setmetatable({}, { __index = function (_, k) return py.getopt(k) end,
  __newindex = function (_, k, v) py.setopt(k, v) end })
setmetatable(shell, { __index = function (_, k)
  if k == "info" then return py.info() elseif k == "rankinfo" then return py.rankinfo() end end })
plugin = setmetatable({ load = function (t) if type(t) == "string" then t = { file = t } end
    py.load(t.file, t.conf) end,
  register = function (t)
    for _, h in ipairs(t.handlers) do py.register(t.name or "", h.topic, h.fn) end end },
  { __index = function (_, k) if k == "searchpath" then return py.getpath() end end,
    __newindex = function (t, k, v)
      if k == "searchpath" then py.setpath(v) else rawset(t, k, v) end end })
task = setmetatable({
  getenv = py.task_getenv, unsetenv = py.task_unsetenv, setenv = py.task_setenv },
  { __index = function (_, k) if k == "info" then return py.task_info() end end })
source = function (g) py.source(g, true) end
source_if_exists = function (g) py.source(g, false) end
"""

LOADER = """
local code, name = ...
local chunk, err = loadstring(code, "@" .. name)
if not chunk then return err end
local ok, err = pcall(chunk)
if not ok then return tostring(err) end
"""


class Lua(Protocol):
    """What is used of lupa's runtime."""

    def execute(self, code: str, *args: object) -> object:
        """Run Lua code with arguments and return its result."""

    def table_from(self, value: object, *, recursive: bool = False) -> object:
        """Return a Lua table with the members of a mapping or a list."""


class ScriptError(Exception):
    """An initrc or a file it sources cannot be run."""


class Bridge:
    """What initrc scripts can do to a shell; each public method is a function of the prelude's
    ``py`` table.
    """

    def __init__(self, shell: ShellContext, lua: Lua, path: str) -> None:
        self._shell = shell
        self._lua = lua
        self._searchpath = os.environ.get("FLUX_SHELL_PLUGINPATH") or shell.pluginpath
        self.rcpath = os.path.dirname(os.path.abspath(path))
        self.registered: list[tuple[str, str, Callable[..., object]]] = []
        self.fatal: ShellFatal | None = None

    def log(self, level: int, message: str, file: str, line: int) -> None:
        """Log for a script, with the place in the script."""
        component = self._shell.plugins.current or None
        self._shell.log(int(level), message, component, file=os.path.basename(file), line=line)

    def die(self, message: str) -> None:
        """End the job with a fatal exception."""
        self.fatal = ShellFatal(message)
        raise self.fatal

    # The job's environment and options

    def getenv(self, name: str | None = None) -> object:
        """Return one variable of the job's environment, or all as a table."""
        return self._table(self._shell.env) if name is None else self._shell.env.get(name)

    def setenv(self, name: str, value: object, overwrite: object = True) -> None:
        """Set a variable of the job's environment."""
        _set(self._shell.env, name, value, overwrite)

    def unsetenv(self, name: str) -> None:
        """Remove a variable of the job's environment."""
        self._shell.env.pop(name, None)

    def getopt(self, name: str) -> object:
        """Return a shell option."""
        if name == "verbose":
            return self._shell.verbose
        if name == "standalone":
            return self._shell.standalone
        value = self._shell.option(name)
        return self._table(value) if isinstance(value, dict | list) else value

    def setopt(self, name: str, value: object) -> None:
        """Set a shell option."""
        if name == "verbose":
            self._shell.verbose = int(value) if isinstance(value, int | float | str) else 1
        else:
            self._shell.options[name] = _plain(value)

    # Facts

    def info(self) -> object:
        """Return ``shell.info``."""
        shell, info = self._shell, self._shell.info
        return self._table(
            {
                "jobid": info.id,
                "rank": shell.rank,
                "size": shell.size,
                "ntasks": info.ntasks,
                "service": info.service,
                "options": {"verbose": shell.verbose > 0, "standalone": shell.standalone},
                "jobspec": info.jobspec,
                "R": info.R,
            },
        )

    def rankinfo(self, rank: int | None = None) -> object:
        """Return the facts of a shell rank, by default of this one; nil if there is no such
        rank.
        """
        index = self._shell.rank if rank is None or rank == -1 else int(rank)
        if not 0 <= index < len(self._shell.info.ranks):
            return None
        found = self._shell.info.ranks[index]
        resources = {**found.resources, "ncores": len(found.ids("core"))}
        return self._table(
            {"broker_rank": found.broker_rank, "ntasks": found.ntasks, "resources": resources}
        )

    def _task(self) -> ShellTask:
        task = self._shell.current_task
        if task is None:
            raise ScriptError("attempt to access task outside of task. callback")
        return task

    def task_info(self) -> object:
        """Return ``task.info`` of the current task."""
        return self._table(self._task().info())

    def task_getenv(self, name: str) -> object:
        """Return a variable of the current task."""
        return self._task().env.get(name)

    def task_setenv(self, name: str, value: object, overwrite: object = True) -> None:
        """Set a variable of the current task."""
        _set(self._task().env, name, value, overwrite)

    def task_unsetenv(self, name: str) -> None:
        """Remove a variable of the current task."""
        self._task().env.pop(name, None)

    # Plugins and other files

    def getpath(self) -> str:
        """Return ``plugin.searchpath``."""
        return self._searchpath

    def setpath(self, path: str) -> None:
        """Set ``plugin.searchpath``."""
        self._searchpath = str(path)

    def register(self, name: str, topic: str, function: Callable[..., object]) -> None:
        """Register a handler of a Lua plugin."""
        self.registered.append((name, topic, function))

    def load(self, pattern: str, conf: object = None) -> None:
        """Load plugins written in Python: files that define ``flux_plugin_init(shell, conf)``."""
        folders = [""] if pattern.startswith("/") else [f for f in self._searchpath.split(":") if f]
        found = [
            path for folder in folders for path in sorted(glob.glob(os.path.join(folder, pattern)))
        ]
        if not found and not glob.has_magic(pattern):
            raise ScriptError(f"plugin.load: {pattern}: No such file or directory")
        for path in found:
            self._load_python(path, _plain(conf) if conf is not None else {})

    def _load_python(self, path: str, conf: object) -> None:
        spec = importlib.util.spec_from_file_location(
            os.path.basename(path).removesuffix(".py"), path
        )
        if spec is None or spec.loader is None:
            raise ScriptError(f"plugin.load: {path}: not a Python plugin")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        init = getattr(module, "flux_plugin_init", None)
        if init is None:
            raise ScriptError(f"plugin.load: {path}: no flux_plugin_init")
        init(self._shell, conf)

    def source(self, pattern: str, required: bool) -> None:
        """Run other Lua files."""
        full = pattern if pattern.startswith("/") else os.path.join(self.rcpath, pattern)
        found = sorted(glob.glob(full))
        if not found and required and not glob.has_magic(pattern):
            raise ScriptError(f"source {pattern}: No such file or directory")
        for path in found:
            self.run(path, path)

    def run(self, path: str, name: str) -> None:
        """Run a Lua file; raises ScriptError with Lua's message."""
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            code = file.read()
        message = self._lua.execute(LOADER, code, name)
        if self.fatal is not None:
            raise self.fatal
        if message is not None:
            raise ScriptError(str(message))

    def _table(self, value: object) -> object:
        return self._lua.table_from(value, recursive=True)


def _set(env: dict[str, str], name: str, value: object, overwrite: object) -> None:
    if name not in env or (overwrite is not False and overwrite != 0):
        env[name] = str(value)


def _plain(value: object) -> object:
    """Return a Lua value as JSON would hold it: a table becomes a dict."""
    return (
        {key: _plain(inner) for key, inner in value.items()} if hasattr(value, "items") else value
    )


def load_initrc(shell: ShellContext, path: str) -> list[tuple[str, str, Callable[..., object]]]:
    """Run the initrc at ``path`` and return the handlers it registered: (plugin, topic glob,
    function).

    Raises ShellFatal if the file is missing or has an error, or Lua is not installed.
    """
    if not os.path.exists(path):
        raise ShellFatal(f"loading rc file {path}: No such file or directory")
    try:
        from lupa import lua51
    except ImportError:
        shell.log(ERROR, "Lua initrc files need the Python package lupa, which is not installed")
        raise ShellFatal(f"loading rc file {path}") from None
    shell.log(DEBUG, f"Loading {path}")
    lua = lua51.LuaRuntime(
        unpack_returned_tuples=True, register_eval=False, register_builtins=False
    )
    bridge = Bridge(shell, lua, path)
    names = [name for name in dir(Bridge) if not name.startswith("_") and name != "run"]
    table = lua.table_from({name: getattr(bridge, name) for name in [*names, "rcpath"]})
    lua.execute(PRELUDE, table)
    try:
        bridge.run(path, path)
    except ScriptError as error:
        shell.log(ERROR, f"{path}: {error}")
        raise ShellFatal(f"loading rc file {path}") from None
    return [
        (name, topic, _guard(shell, bridge, function))
        for name, topic, function in bridge.registered
    ]


def _guard(
    shell: ShellContext, bridge: Bridge, function: Callable[..., object]
) -> Callable[..., object]:
    """Return a handler that turns an error of its Lua function into a log message."""

    def call(topic: str, *_: object) -> None:
        try:
            function(topic)
        except ShellFatal:
            raise
        except Exception as error:
            if bridge.fatal is not None:
                raise bridge.fatal from None
            shell.log(ERROR, f"{topic}: {error}", shell.plugins.current or None)

    return call
