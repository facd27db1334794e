"""``flux config``: read the configuration of an instance, change it, and have it read again or
replaced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import click

from fluxctl.command import FluxCommand, FluxGroup, echo, handle, usage_failure
from fluxctl.completions import config_keys, words
from fluxctl.errors import CommandError
from fluxctl.json_output import json_option, print_json
from fluxctl.suggestions import suggestion

if TYPE_CHECKING:
    from flux.core.handle import Flux
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


def _kinds() -> list[str]:
    from fluxctl.config_values import KINDS

    return list(KINDS)


def _settable() -> list[str]:
    from fluxctl.config_values import SETTABLE

    return list(SETTABLE)


@click.group("config", cls=ConfigGroup)
def command() -> None:
    """Read the configuration of this broker, change or replace it, have it read its files again."""


@command.command("reload", cls=FluxCommand)
@click.option(
    "--follower-noop",
    is_flag=True,
    help="Do nothing on a broker that is not rank 0: for units of systemd, where every broker has"
    " its own.",
)
def reload(follower_noop: bool) -> None:
    """Read the files again and tell every module of this broker.

    A mistake in a file, or the refusal of a module, changes nothing. Other brokers have files of
    their own: flux exec flux config reload.
    """
    with handle() as h:
        if follower_noop and h.get_rank() != 0:
            return
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
        raise CommandError(f"Error parsing config: stat: {path}: {exc.strerror}") from None
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
@click.option(
    "-c",
    "--config-path",
    metavar="PATH",
    help="Read PATH, not the broker: a TOML or JSON file, or a directory with files *.toml. The"
    " words system, security and imp stand for those directories below the installation's own.",
    type=click.Path(),
)
@click.option("-d", "--default", metavar="VALUE", help="Print VALUE if KEY is not set.")
@click.option("-q", "--quiet", is_flag=True, help="Do not say that KEY is not set.")
@click.option(
    "-t",
    "--type",
    "kind",
    metavar="TYPE",
    help="Fail unless the value is of TYPE: string, integer, real, boolean, object, array, or a"
    " duration as fsd, or in seconds as fsd-integer or fsd-real.",
    shell_complete=words(_kinds),
)
@json_option("Print strings as JSON, too.")
@click.argument("key", required=False, shell_complete=config_keys)
def get(
    config_path: str | None,
    default: str | None,
    quiet: bool,
    kind: str | None,
    as_json: bool,
    key: str | None,
) -> None:
    """Print the value of KEY, such as tbon.zmqdebug, or the whole configuration, as JSON.

    Strings are printed without quotes. Without a value and a default the exit code is 1.
    """
    from flux.wire import json
    from fluxctl.config_values import KINDS, checked, value_at

    _check_kind(kind, KINDS)
    if config_path is None:
        with handle() as h:
            tables = _live(h)
    else:
        tables = _in_path(config_path)
    try:
        value = tables if key is None else value_at(tables, key)
    except ValueError as exc:
        raise CommandError(f"{key}: {exc}") from None
    if value is None:
        if default is None:
            meant = "" if quiet else _meant(tables, key or "")
            raise CommandError("" if quiet else f"{key} is not set", hint=meant)
        value = default
    elif kind is not None:
        try:
            value = checked(value, kind)
        except ValueError as exc:
            raise CommandError(f"{key or 'value'} {exc}") from None
    if as_json:
        print_json(value)
    else:
        echo(value if isinstance(value, str) else json.dumps(value).decode(), raw=True)


@command.command("set", cls=FluxCommand)
@click.option(
    "-t",
    "--type",
    "kind",
    metavar="TYPE",
    help="VALUE is of TYPE: string, integer, real, boolean, object, array, or fsd for a duration."
    " Without it the value has the type of the one that is set.",
    shell_complete=words(_settable),
)
@click.argument("key", shell_complete=config_keys)
@click.argument("value")
def set_(kind: str | None, key: str, value: str) -> None:
    """Give this broker VALUE for KEY, such as tbon.zmqdebug, beside the configuration that it has.

    A mistake changes nothing. With flux config reload the broker goes back to its own files.
    """
    from fluxctl.config_values import KINDS, parsed, put_at, steps_of, type_of, value_at

    _check_kind(kind, KINDS)
    try:
        steps_of(key)
    except ValueError as exc:
        raise CommandError(f"{key}: {exc}") from None
    with handle() as h:
        tables = _live(h)
        try:
            kind = kind or type_of(value_at(tables, key))
            if kind is None:
                raise CommandError("Type is unknown, please specify --type")
            put_at(tables, key, parsed(value, kind))
        except ValueError as exc:
            raise CommandError(str(exc)) from None
        _update(h, tables)


@command.command("unset", cls=FluxCommand)
@click.argument("key", shell_complete=config_keys)
def unset(key: str) -> None:
    """Take the value of KEY, or the table KEY, out of the configuration of this broker.

    A key that is not set is no error. With flux config reload the broker goes back to its own
    files.
    """
    from fluxctl.config_values import remove_at

    with handle() as h:
        tables = _live(h)
        try:
            found = remove_at(tables, key)
        except ValueError as exc:
            raise CommandError(f"Error deleting {key} from config object: {exc}") from None
        if found:
            _update(h, tables)


def _check_kind(kind: str | None, known: tuple[str, ...]) -> None:
    if kind is not None and kind not in known:
        raise CommandError(f"Unknown type: {kind}", hint=suggestion(kind, known))


def _live(h: Flux) -> JsonObject:
    """Return the configuration of the broker; raises CommandError."""
    try:
        return dict(h.rpc("config.get", {}).get())
    except OSError as exc:
        raise CommandError(f"Error fetching config object: {exc.strerror}") from None


def _update(h: Flux, tables: JsonObject) -> None:
    """Give the broker the tables; raises CommandError if it refuses them."""
    try:
        h.rpc("config.load", tables).get()
    except OSError as exc:
        raise CommandError(f"Error updating config object: {exc.strerror}") from None


def _in_path(path: str) -> JsonObject:
    """Return the tables in a file or directory, or in the one that a word stands for."""
    from flux.conf_builtin import CONFIGURATION
    from fluxctl.config_source import tables_in_files
    from fluxctl.config_values import SITES

    if path in SITES:
        path = f"{CONFIGURATION}/{path}/conf.d"
    try:
        return tables_in_files(path)
    except OSError as exc:
        raise CommandError(f"stat: {path}: {exc.strerror}") from None
    except ValueError as exc:
        raise CommandError(str(exc)) from None


def _meant(tables: JsonObject, key: str) -> str:
    """Return the hint at a key like one that is not there; empty if none is like it."""
    value: object = tables
    for step in key.split("."):
        if not isinstance(value, dict):
            return ""
        if step not in value:
            return suggestion(step, value)
        value = value[step]
    return ""


EXAMPLES = """
# Ask for one value in a script, which goes on without it
flux config get --default=tree --type=string tbon.topo
# Read the files again on every broker, after they were changed
flux exec flux config reload
# What does a file say, without an instance?
flux config get --config-path=site.toml
# Change one value on this broker, until its files are read again
flux config set --type=fsd job-manager.inactive-age-limit 7d
# Try other settings on this broker, and go back to those of its files
flux config load site.toml
flux config reload
# Where are the modules?
flux config builtin module_path
"""
