"""Plugins of the submission commands: classes that add options and change jobspecs
(docs/cli-plugins.md).
"""

from __future__ import annotations

import inspect
import os
import sys
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from flux.cli.plugin_path import NAMESPACE, search_path
from flux.importer import import_path, import_plugins, python_files

if TYPE_CHECKING:
    from argparse import Namespace
    from types import ModuleType

    from flux.job.Jobspec import Jobspec

ArgumentSettings: TypeAlias = dict[str, Any]
"""What ``add_argument`` of argparse is given by name."""


class CLIPluginOption:
    """An option of a plugin: its name with the plugin's prefix, and what ``add_argument`` of
    argparse is given for it.

    Raises ValueError for a name that is not that of a long option.
    """

    def __init__(self, name: str, prefix: str, **kwargs: object) -> None:
        if not name.startswith("--") or not name.strip("-"):
            raise ValueError(f"Plugins must register only long options, not {name}")
        word = name.removeprefix("--")
        self.name = f"--{prefix}-{word}" if prefix else name
        self.unprefixed: str | None = None
        if "dest" not in kwargs:
            self.unprefixed = word.replace("-", "_")
            kwargs["dest"] = self.name.removeprefix("--").replace("-", "_")
        self.kwargs: ArgumentSettings = kwargs

    @property
    def dest(self) -> str:
        """The attribute of the parsed arguments that has its value."""
        return str(self.kwargs["dest"])


class CLIPlugin:
    """Base class of plugins.

    ``prog`` is the command, ``submit``, ``run``, ``bulksubmit``, ``batch`` or ``alloc``, with or
    without ``flux`` before it. ``prefix`` begins the names of its options, ``version`` is its own
    business. What a callback raises ends the command, with file and line.
    """

    def __init__(self, prog: str, prefix: str = "ex", version: str | None = None) -> None:
        self.prog = prog.removeprefix("flux ")
        self.path: str | None = None
        self.prefix = prefix
        self.version = version
        self.options: list[CLIPluginOption] = []

    def add_option(self, name: str, **kwargs: object) -> None:
        """Add the option ``--PREFIX-NAME``; ``name`` begins with two hyphens, the rest is for
        ``add_argument`` of argparse.

        Callbacks find its value in ``args.NAME``, others in ``args.PREFIX_NAME``, or both under
        ``dest``, if that is given. Raises ValueError for a name that does not begin so.
        """
        self.options.append(CLIPluginOption(name, self.prefix, **kwargs))

    def help(self, option: CLIPluginOption) -> None:
        """Print what ``--help=OPTION`` shows: the docstring of the class."""
        text = inspect.getdoc(type(self)) if type(self).__doc__ else None
        print(text or f"No extra documentation for option `{option.name}` found.")

    def preinit(self, args: Namespace) -> None:
        """Called once the options are parsed; may change ``args``."""

    def modify_jobspec(self, args: Namespace, jobspec: Jobspec) -> None:
        """Called with each jobspec that the command makes, which it may change."""

    def validate(self, jobspec: Jobspec) -> None:
        """Called with each jobspec before it is submitted; raises ValueError to refuse it."""


class PluginArgsProxy:
    """The parsed arguments as a plugin sees them: its own options by their names without the
    prefix, too.
    """

    __slots__ = ("_alias", "_ns")
    _alias: dict[str, str]
    _ns: Namespace

    def __init__(self, args: Namespace, alias: dict[str, str]) -> None:
        object.__setattr__(self, "_ns", args)
        object.__setattr__(self, "_alias", alias)

    def __getattr__(self, name: str) -> object:
        return getattr(self._ns, self._alias.get(name, name))

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._ns, self._alias.get(name, name), value)

    def __contains__(self, name: str) -> bool:
        return self._alias.get(name, name) in self._ns

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._ns!r})"


class CLIPluginRegistry:
    """The plugins of one command, ``prog``, in the order in which they are called.

    Raises whatever a plugin raises when it is loaded or made.
    """

    plugin_namespace = NAMESPACE

    def __init__(self, prog: str) -> None:
        self.prog = prog
        self.plugins: list[CLIPlugin] = []
        self.plugindirs = search_path()
        self.options: list[CLIPluginOption] = []
        for module in self._modules():
            self._add(module)

    def _modules(self) -> list[ModuleType]:
        """Return the plugins' modules, of which the first with a name counts."""
        found: dict[str, ModuleType] = {}
        for folder in self.plugindirs:
            for name in python_files(folder):
                if name not in found:
                    found[name] = import_path(os.path.join(folder, f"{name}.py"))
        for name, module in import_plugins(self.plugin_namespace).items():
            found.setdefault(name, module)
        return list(found.values())

    def _add(self, module: ModuleType) -> None:
        classes = inspect.getmembers(module, inspect.isclass)
        kinds: list[type[CLIPlugin]] = [kind for _, kind in classes if issubclass(kind, CLIPlugin)]
        for kind in kinds:
            # A file may import its plugin from a package; what it derives its own from is not one.
            base = any(other is not kind and issubclass(other, kind) for other in kinds)
            known = any(type(plugin) is kind for plugin in self.plugins)
            if kind is not CLIPlugin and not base and not known:
                plugin: CLIPlugin = kind(self.prog)
                plugin.path = getattr(module, "__file__", None)
                self.plugins.append(plugin)
                self.options += plugin.options

    def _seen_by(self, plugin: CLIPlugin, args: Namespace) -> Namespace:
        alias = {
            option.unprefixed: option.dest
            for option in plugin.options
            if option.unprefixed is not None and option.unprefixed != option.dest
        }
        return cast("Namespace", PluginArgsProxy(args, alias))

    def preinit(self, args: Namespace) -> None:
        """Tell all plugins that the options are parsed; raises whatever they raise."""
        for plugin in self.plugins:
            plugin.preinit(self._seen_by(plugin, args))

    def modify_jobspec(self, args: Namespace, jobspec: Jobspec) -> None:
        """Have all plugins change a jobspec; raises whatever they raise."""
        for plugin in self.plugins:
            plugin.modify_jobspec(self._seen_by(plugin, args), jobspec)

    def validate(self, jobspec: Jobspec) -> None:
        """Have all plugins look at a jobspec; raises whatever they raise."""
        for plugin in self.plugins:
            plugin.validate(jobspec)

    def print_help(self, name: str) -> None:
        """Print what a plugin says of its option and exit; the hyphens of its name may be left out.

        Raises ValueError if no plugin has such an option.
        """
        for plugin in self.plugins:
            for option in plugin.options:
                if option.name.removeprefix("--") == name.removeprefix("--"):
                    print(f"Documentation for plugin providing option `{option.name}`:\n")
                    plugin.help(option)
                    sys.exit(0)
        raise ValueError(f"--help: no such option {name}")

    def print_plugins(self) -> None:
        """Print which plugins there are and what options each has."""
        print("\n".join(self.described()))

    def described(self) -> list[str]:
        """Return the lines of `print_plugins`."""
        lines = ["Options provided by plugins:"]
        if self.plugindirs:
            lines.append(f"  Search path: {':'.join(self.plugindirs)}")
            lines.append(f"  (plus {self.plugin_namespace} namespace)")
        else:
            lines.append(f"  Searched only {self.plugin_namespace} namespace")
        for plugin in self.plugins:
            lines += ["", f"{type(plugin).__name__} loaded from {plugin.path}"]
            lines += [
                f"  {option.name:<21} {option.kwargs.get('help') or ''}".rstrip()
                for option in plugin.options
            ]
        return [*lines, ""]
