"""Plugins of the submission commands at work: their options on click's command line, what they
change, and how their failures are told (docs/cli-plugins.md).
"""

from __future__ import annotations

import os
from argparse import Action, ArgumentParser, Namespace
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar

import click

from flux.cli.plugin import CLIPluginOption, CLIPluginRegistry
from fluxctl.errors import CommandError, ReaderGone
from fluxctl.mini.namespace import Values, changes, namespace_of
from fluxctl.option_groups import list_option
from fluxctl.optional_value import OptionalValue

if TYPE_CHECKING:
    from collections.abc import Callable

    from flux.job.Jobspec import Jobspec

T = TypeVar("T")

_ALONE: Final = "\0"
"""What an option says that stands without the value that it may have."""


class _PluginArguments(ArgumentParser):
    """Parses what click found for the options of plugins, so that types and choices are
    argparse's.
    """

    def error(self, message: str) -> NoReturn:
        """Raise click's usage error."""
        raise click.UsageError(message)


class CommandPlugins:
    """The plugins of a command, and what it was told for them.

    ``command`` is the name, ``taken`` has the names of its own options. Raises CommandError for a
    plugin that fails or whose option there is already.
    """

    def __init__(self, command: str, taken: frozenset[str]) -> None:
        self._command = command
        self._registry = quoting(lambda: CLIPluginRegistry(f"flux {command}"))
        self._parser = _PluginArguments(add_help=False, allow_abbrev=False)
        self._given: dict[str, list[str]] = {}
        self._args = Namespace()
        self._taken = set(taken)
        self.params = [self._param(option) for option in self._registry.options]

    def _param(self, option: CLIPluginOption) -> click.Option:
        """Return an option as click has it; argparse knows it afterwards, too."""
        if option.name in self._taken:
            raise CommandError(f"ERROR: the option {option.name} of a plugin is there already")
        self._taken.add(option.name)

        action = quoting(lambda: self._parser.add_argument(option.name, **option.kwargs))
        param = _as_click(action, option.name, self._parser.prog)
        param.name = option.dest
        param.callback = self._remember(option.name, action)
        param.expose_value = False
        return param

    def _remember(
        self, name: str, action: Action
    ) -> Callable[[click.Context, click.Parameter, object], None]:
        def remember(_ctx: click.Context, _param: click.Parameter, value: object) -> None:
            values = value if isinstance(value, tuple) else () if value is None else (value,)
            if action.nargs == 0:
                words = [name] * (value if isinstance(value, int) else 0)
            else:
                words = [word for one in values for word in _words(name, one)]
            self._given[name] = words

        return remember

    def parse(self) -> Namespace:
        """Return what argparse makes of the options of plugins; raises click's UsageError."""
        return self._parser.parse_args([word for words in self._given.values() for word in words])

    def begin(self, params: Values) -> None:
        """Let the plugins see and change what was asked for: click's values, which are changed in
        place. Raises CommandError if one of them refuses it.
        """
        own = {name: value for name, value in params.items() if name != "plugins"}
        self._args = namespace_of(own, self._command)
        vars(self._args).update(vars(self.parse()))
        before = Namespace(**{name: _copied(value) for name, value in vars(self._args).items()})
        quoting(lambda: self._registry.preinit(self._args))
        params.update({k: v for k, v in changes(before, self._args).items() if k in params})
        params["plugins"] = self

    def modify(self, jobspec: Jobspec) -> None:
        """Let the plugins change a jobspec. Raises CommandError if one fails."""
        quoting(lambda: self._registry.modify_jobspec(self._args, jobspec))

    def validate(self, jobspec: Jobspec) -> None:
        """Let the plugins refuse a jobspec. Raises CommandError if one does."""
        quoting(lambda: self._registry.validate(jobspec))

    def help(self, option: str) -> None:
        """Print what a plugin says of its option. Raises CommandError for an option of none."""
        try:
            quoting(lambda: self._registry.print_help(option))
        except SystemExit:
            return  # as it does when it has printed


def help_of(plugins: CommandPlugins | None, option: str) -> None:
    """Print what a plugin says of its option. Raises CommandError if none has it."""
    if plugins is None:
        raise CommandError(f"ERROR: --help: no such option {option}")
    plugins.help(option)


def quoting(call: Callable[[], T]) -> T:
    """Call what is a plugin's; raises CommandError, which names file and line, if it fails."""
    try:
        return call()
    except (CommandError, ReaderGone, click.UsageError):
        raise
    except Exception as error:
        raise CommandError(f"ERROR: {told(error)}") from None


def _words(name: str, value: str | tuple[str, ...]) -> list[str]:
    """Return an option and its value as they stood on the command line."""
    if isinstance(value, tuple):
        return [name, *value]
    return [name] if value == _ALONE else [f"{name}={value}"]


def _copied(value: object) -> object:
    return list(value) if isinstance(value, list) else value


def _as_click(action: Action, name: str, prog: str) -> click.Option:
    shown = action.metavar if isinstance(action.metavar, str) else None
    metavar = shown or (f"{{{','.join(map(str, action.choices))}}}" if action.choices else None)
    metavar = metavar or action.dest.upper()
    text = (action.help or "") % {**vars(action), "prog": prog} if action.help else ""
    if action.nargs == 0:
        return click.Option([name], count=True, help=text)
    if action.nargs == "?":
        return OptionalValue(name, implied=_ALONE, metavar=f"[={metavar}]", text=text)
    if isinstance(action.nargs, int):
        return click.Option([name], metavar=metavar, help=text, nargs=action.nargs, multiple=True)
    return list_option(name, metavar=metavar, text=text)


def told(error: Exception) -> str:
    """Return what an exception of a plugin says, with the file and line where it was raised."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, SyntaxError):
        return f"{error.msg} ({error.filename}, line {error.lineno})"
    if not isinstance(error, OSError | ValueError | RuntimeError | ImportError):
        text = f"{type(error).__name__}: {text}"
    place = _place(error)
    return f"{text} ({place})" if place else text


def _place(error: BaseException) -> str:
    """Return the last line of a file that is neither ours nor of Python's own library."""
    from flux.install import ROOT

    ours = tuple(os.path.join(ROOT, name, "") for name in ("flux", "fluxctl"))
    library = os.path.join(os.path.dirname(os.__file__), "")
    found = ""
    trace = error.__traceback__
    while trace is not None:
        path = trace.tb_frame.f_code.co_filename
        of_python = path.startswith(library) and "-packages" not in path
        if not path.startswith(("<", *ours)) and not of_python:
            found = f"{path}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return found
