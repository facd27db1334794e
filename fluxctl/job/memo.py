"""``flux job memo``: notes on a job that its eventlog keeps (RFC 21)."""

from __future__ import annotations

import errno

import click

from fluxctl.command import handle
from fluxctl.errors import CommandError
from fluxctl.job.options import JobCommand, JobIdArguments, parse_id, usage


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
    payload = {"id": parse_id(args[0]), "volatile": volatile, "memo": _memo(args[1:])}
    try:
        handle().rpc("job-manager.memo", payload).get()
    except OSError as exc:
        reason = "unknown job id" if exc.errno == errno.ENOENT else exc.strerror
        raise CommandError(f"memo: {reason}") from None


def _memo(pairs: tuple[str, ...]) -> dict[str, object]:
    """Return the object that ``KEY=VALUE`` words make: a period in a key is a level, a value may be
    JSON. Raises CommandError for another word.
    """
    from flux.util import set_treedict
    from flux.wire import json

    found: dict[str, object] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not all(key.split(".")):
            raise CommandError(f"memo: {pair}: expected KEY=VALUE")
        try:
            value: object = json.loads(text)
        except ValueError:
            value = text
        set_treedict(found, key, value)
    return found
