"""What the sub-commands of ``flux cron`` share: requests, their failures, options of entries."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from math import isfinite
from typing import TYPE_CHECKING, NoReturn, NotRequired, TypedDict, TypeVar, cast

import click

from fluxctl.command import handle
from fluxctl.errors import CommandError
from fluxctl.numbers import real
from fluxctl.option_types import duration

if TYPE_CHECKING:
    from flux.wire.json import JsonObject
    from fluxctl.cron_entry import CronEntry

F = TypeVar("F", bound=Callable[..., object])

EXTRA_OPTIONS = ("timeout", "rank", "task-history-count", "stop-on-failure")


def fail(sub: str, text: str) -> NoReturn:
    """Raise CommandError with what a sub-command says before it ends with 1."""
    raise CommandError(f"flux-cron {sub}: {text}", 1, bare=True)


def ask(sub: str, method: str, payload: Mapping[str, object]) -> JsonObject:
    """Return the answer of the service; raises CommandError in the name of a sub-command."""
    try:
        answer: JsonObject = handle().rpc(f"cron.{method}", payload).get()
    except OSError as exc:
        fail(sub, exc.strerror or str(exc))
    return answer


def ask_entry(sub: str, method: str, payload: Mapping[str, object]) -> CronEntry:
    """Return the entry that the service answers; raises CommandError as `ask` does."""
    return cast("CronEntry", ask(sub, method, payload))


def finite_number(text: str) -> float | int:
    """Return a finite number; raises ValueError for anything else."""
    value = real(text)
    if value is None or not isfinite(value):
        raise ValueError("not a finite number")
    return int(value) if value.is_integer() else value


def seconds_of(sub: str, text: str) -> float | int:
    """Return a duration in seconds; raises CommandError if it is none."""
    value = duration(text, f"flux-cron {sub}: Invalid duration '{text}'", bare=True)
    return int(value) if value.is_integer() else value


def extra_options(sub: str, text: str | None) -> dict[str, float | int]:
    """Return the EXTRA OPTIONS of ``--options``."""
    found: dict[str, float | int] = {}
    for part in filter(None, (text or "").split(",")):
        key, _, value = part.partition("=")
        if key not in EXTRA_OPTIONS:
            fail(sub, f"Unknown option '{key}'")
        try:
            found[key] = finite_number(value)
        except ValueError:
            fail(sub, f"Invalid value in '{part}'")
    return found


class CronOptions(TypedDict):
    """The options that several kinds of entries have."""

    options: str | None
    preserve_env: bool
    working_dir: str | None
    name: NotRequired[str | None]
    count: NotRequired[int | None]


def create_request(
    kind: str, sub: str, args: Mapping[str, object], words: tuple[str, ...], common: CronOptions
) -> dict[str, object]:
    """Return a ``cron.create`` request."""
    command = " ".join(words)
    name = common.get("name") or os.path.basename(words[0].split(" ")[0])
    payload: dict[str, object] = {"type": kind, "name": name, "args": args, "command": command}
    payload |= extra_options(sub, common["options"])
    if common.get("count") is not None:
        payload["repeat"] = common["count"]
    if common["preserve_env"]:
        payload["environ"] = {
            key: value for key, value in os.environ.items() if not key.startswith("FLUX_")
        }
    if common["working_dir"]:
        payload["cwd"] = os.path.abspath(common["working_dir"])
    return payload


def common_options(function: F) -> F:
    """Add the options that all kinds of entries have."""
    decorators = (
        click.option(
            "-o", "--options", metavar="LIST", help=f"Extra options: {', '.join(EXTRA_OPTIONS)}."
        ),
        click.option(
            "-E", "--preserve-env", is_flag=True, help="Run the command in the current environment."
        ),
        click.option("-d", "--working-dir", metavar="DIR", help="Run the command in DIR."),
    )
    for decorator in reversed(decorators):
        function = decorator(function)
    return function
