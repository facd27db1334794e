"""``flux config``: read the configuration of an instance, and have it read again or replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import click

from fluxctl.command import FluxCommand, FluxGroup, echo, handle, usage_failure
from fluxctl.completions import config_keys, words
from fluxctl.errors import CommandError
from fluxctl.json_output import json_option, print_json
from fluxctl.suggestions import suggestion

if TYPE_CHECKING:
    from collections.abc import Callable

    from flux.wire.json import JsonObject


class ConfigGroup(FluxGroup):
    """The group; without a sub-command it says so, and how it is used."""

    def report(self, ctx: click.Context, exc: click.UsageError) -> NoReturn:
        """Raise the CommandError for a usage error."""
        if isinstance(exc, click.exceptions.NoArgsIsHelpError):
            text = f"flux-config: missing subcommand\n{ctx.get_help()}"
            raise CommandError(text, 1, bare=True) from None
        usage_failure(ctx, exc)


def _builtin_names() -> list[str]:
    from flux.conf_builtin import VALUES

    return list(VALUES)


@click.group("config", cls=ConfigGroup)
def command() -> None:
    """Read the configuration of this broker, have it read its files again, or replace it."""


@command.command("reload", cls=FluxCommand)
def reload() -> None:
    """Read the files again and tell every module of this broker.

    A mistake in a file, or the refusal of a module, changes nothing. Other brokers have files of
    their own: flux exec flux config reload.
    """
    with handle() as h:
        try:
            h.rpc("config.reload").get()
        except OSError as exc:
            raise CommandError(f"reload: {exc.strerror}") from None


@command.command("load", cls=FluxCommand)
@click.argument("path", required=False, type=click.Path())
def load(path: str | None) -> None:
    """Give this broker the configuration in PATH, in place of the one that it has.

    PATH is a TOML file, a JSON file called *.json, or a directory with files *.toml; without it
    TOML or JSON is read from standard input. A mistake changes nothing. With flux config reload
    the broker goes back to its own files.
    """
    tables = _tables_of(path)
    with handle() as h:
        try:
            h.rpc("config.load", tables).get()
        except OSError as exc:
            raise CommandError(f"error loading config: {exc.strerror}") from None


def _tables_of(path: str | None) -> JsonObject:
    """Return the tables in ``path``, or in standard input; raises CommandError."""
    from fluxctl.config_source import tables_in_files, tables_in_text
    from fluxctl.standard_input import read_text

    try:
        return tables_in_text(read_text("TOML or JSON")) if path is None else tables_in_files(path)
    except OSError as exc:
        raise CommandError(f"Error parsing config: {path}: {exc.strerror}") from None
    except ValueError as exc:
        text = "TOML parse error" if path is None else "Error parsing config"
        raise CommandError(f"{text}: {exc}") from None


@command.command("builtin", cls=FluxCommand)
@click.option("--intree", is_flag=True, help="As it is in a clone: the same, which is used as is.")
@click.option("--installed", is_flag=True, help="As it is in an installation: the same.")
@json_option()
@click.argument("name", required=False, shell_complete=words(_builtin_names))
def builtin(intree: bool, installed: bool, as_json: bool, name: str | None) -> None:
    """Print where a part of this installation is: the value NAME, or all of them with their names.

    No instance is needed.
    """
    from flux.conf_builtin import VALUES, conf_builtin_get

    if name is not None and name not in VALUES:
        raise CommandError(f"{name} is invalid", hint=suggestion(name, VALUES))
    which = "intree" if intree else "installed" if installed else "auto"
    names = VALUES if name is None else (name,)
    found = {known: conf_builtin_get(known, which) for known in names}
    if as_json:
        print_json(found)
        return
    for known, value in found.items():
        echo(value if name is not None else f"{known} {value}")


@command.command("get", cls=FluxCommand)
@click.option("-d", "--default", metavar="VALUE", help="Print VALUE if KEY is not set.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing; the exit code tells.")
@click.option(
    "-t",
    "--type",
    "kind",
    metavar="TYPE",
    help="Fail unless the value is of TYPE: string, integer, real, boolean, object, array, or a"
    " duration as fsd, or in seconds as fsd-integer or fsd-real.",
    shell_complete=words(lambda: _KINDS),
)
@json_option("Print strings as JSON, too.")
@click.argument("key", required=False, shell_complete=config_keys)
def get(default: str | None, quiet: bool, kind: str | None, as_json: bool, key: str | None) -> None:
    """Print the value of KEY, such as tbon.zmqdebug, or the whole configuration, as JSON.

    Strings are printed without quotes. Without a value and a default the exit code is 1.
    """
    from flux.wire import json

    if kind is not None and kind not in _KINDS:
        text = f"--type={kind}: unknown type (one of {', '.join(_KINDS)})"
        raise CommandError(text, hint=suggestion(kind, _KINDS))
    with handle() as h:
        try:
            value: object = h.rpc("config.get", {}).get()
        except OSError as exc:
            raise CommandError(f"get: {exc.strerror}") from None
    meant = ""
    for step in key.split(".") if key else ():
        if isinstance(value, dict) and step not in value and not quiet:
            meant = suggestion(step, value)
        value = value.get(step) if isinstance(value, dict) else None
    if value is None:
        if default is None:
            raise CommandError("" if quiet else f"{key} is not set", hint=meant)
        value = default
    elif kind is not None:
        try:
            value = _KINDS[kind](value)
        except ValueError as exc:
            raise CommandError("" if quiet else f"{key or 'the configuration'}: {exc}") from None
    if as_json and not quiet:
        print_json(value)
    elif not quiet:
        echo(value if isinstance(value, str) else json.dumps(value).decode(), raw=True)


def _of(*types: type) -> Callable[[object], object]:
    """Return the check of a value's JSON type."""

    def check(value: object) -> object:
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise ValueError("value does not have the requested type")
        return value

    return check


def _seconds(value: object) -> float:
    from flux.duration import parse_fsd

    if not isinstance(value, str):
        raise ValueError("value does not have the requested type")
    return parse_fsd(value)


def _duration(value: object) -> object:
    _seconds(value)
    return value


def _whole_seconds(value: object) -> int:
    seconds = _seconds(value)
    if not seconds < 1 << 53:
        raise ValueError("value is no number of seconds")
    return int(seconds)


_KINDS: dict[str, Callable[[object], object]] = {
    "any": lambda value: value,
    "array": _of(list),
    "boolean": _of(bool),
    "fsd": _duration,
    "fsd-integer": _whole_seconds,
    "fsd-real": _seconds,
    "integer": _of(int),
    "object": _of(dict),
    "real": _of(int, float),
    "string": _of(str),
}


EXAMPLES = """
# Print the whole configuration
flux config get
# Ask for one value in a script, which goes on without it
flux config get --default=tree --type=string tbon.topo
# Read the files again on every broker, after they were changed
flux exec flux config reload
# Try other settings on this broker, and go back to those of its files
flux config load site.toml
flux config reload
# Where are the modules?
flux config builtin module_path
"""
