"""``flux job memo``: what its owner notes down on a job (RFC 21)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from flux.job.options.values import parse_value
from fluxctl.command import handle
from fluxctl.errors import CommandError
from fluxctl.job.options import JobCommand, JobIdArguments, parse_id, usage
from fluxctl.standard_input import read_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flux.wire.json import JsonObject


@click.command(
    "memo",
    cls=JobCommand,
    synopsis="[--volatile] id key=value [key=value, ...]",
    help="Post an RFC 21 memo to a job",
)
@click.option(
    "--volatile",
    is_flag=True,
    help="Memo will not appear in eventlog (will be lost on restart)",
)
@click.argument("args", nargs=-1, cls=JobIdArguments)
@click.pass_context
def memo(ctx: click.Context, volatile: bool, args: tuple[str, ...]) -> None:
    if len(args) < 2:
        usage(ctx)
    payload: JsonObject = {"id": parse_id(args[0]), "memo": memo_of(args[1:])}
    if volatile:
        payload["volatile"] = True
    try:
        handle().rpc("job-manager.memo", payload).get()
    except OSError as exc:
        raise CommandError(f"memo: {exc.strerror}") from None


def memo_of(settings: Iterable[str]) -> JsonObject:
    """Return the object that ``KEY=VALUE`` words make: a key with periods is one in objects, VALUE
    is JSON or else text, ``-`` what stdin has.

    Raises CommandError for a word without a value, and for a key that is empty or stands in
    another value.
    """
    found: JsonObject = {}
    for word in settings:
        key, equals, text = word.partition("=")
        if not equals:
            raise CommandError(f"memo: no value for key={word}")
        *path, name = key.split(".")
        place = found
        for step in path:
            inner = place.setdefault(step, {})
            if not isinstance(inner, dict):
                raise CommandError(f"memo: {step} of {key} has a value already")
            place = inner
        if not all((*path, name)):
            raise CommandError(f"memo: a key is empty: {word}")
        place[name] = parse_value(read_text("the value") if text == "-" else text)
    return found
