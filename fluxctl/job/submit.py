"""``flux job submit``: submit a jobspec made elsewhere."""

from __future__ import annotations

import click

from fluxctl.command import echo, handle, talk
from fluxctl.errors import CommandError
from fluxctl.job.control import URGENCIES
from fluxctl.job.options import JobCommand, usage
from fluxctl.numbers import decimal
from fluxctl.standard_input import read_all
from fluxctl.suggestions import suggestion

FLAGS = {
    "debug": "debug",
    "waitable": "waitable",
    "signed": "pre_signed",
    "novalidate": "novalidate",
}


@click.command("submit", cls=JobCommand, synopsis="[OPTIONS] [jobspec]", help="Run job")
@click.option(
    "-u",
    "--urgency",
    default="16",
    metavar="N",
    help="Set job urgency (0-31), hold=0, default=16, expedite=31",
)
@click.option(
    "-f",
    "--flags",
    default="",
    metavar="FLAGS",
    help="Set comma-separated flags (e.g. debug, waitable, novalidate)",
)
@click.argument("args", nargs=-1)
@click.pass_context
def submit(ctx: click.Context, urgency: str, flags: str, args: tuple[str, ...]) -> None:
    if len(args) > 1:
        usage(ctx)
    from flux.job.submit import message_and_reason, submit_async

    options = dict.fromkeys(_flags(flags), True)
    broker = handle()
    text = _read(args[0] if args else "-")
    if not text:
        raise CommandError("required jobspec is empty")
    future = submit_async(broker, text, _urgency(urgency), **options)
    try:
        jobid = future.get_id()
    except OSError as exc:
        lines, error = message_and_reason(exc)
        for line in lines:
            talk(ctx, line)
        raise CommandError(error.strerror or "submission failed") from None
    from flux.job.JobID import id_encode

    for line in future.get_message().splitlines():
        talk(ctx, line)

    echo(id_encode(int(jobid), "f58"))


def _flags(text: str) -> list[str]:
    found = []
    for name in filter(None, text.split(",")):
        if name not in FLAGS:
            raise CommandError(f"unknown flag: {name}", hint=suggestion(name, FLAGS))
        found.append(FLAGS[name])
    return found


def _urgency(text: str) -> int:
    if text.lower() in URGENCIES:
        return URGENCIES[text.lower()]
    urgency = decimal(text, 31)
    if urgency is None:
        raise CommandError("invalid urgency", hint=suggestion(text.lower(), URGENCIES))
    return urgency


def _read(path: str) -> bytes:
    if path == "-":
        return read_all("the jobspec")
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as exc:
        raise CommandError(f"{path}: {exc.strerror}") from None
