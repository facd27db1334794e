"""``flux job`` cancel, cancelall, raise, raiseall, kill, killall, urgency, annotate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from flux.constants import FLUX_JOB_STATE_INACTIVE
from fluxctl.command import handle, talk
from fluxctl.completions import job_states, urgencies, users
from fluxctl.errors import CommandError
from fluxctl.job.options import (
    JobCommand,
    JobIdArguments,
    parse_id,
    parse_signal,
    parse_states,
    parse_userid,
    usage,
    words,
)
from fluxctl.numbers import integer
from fluxctl.option_types import COUNT
from fluxctl.standard_input import read_text
from fluxctl.suggestions import suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flux.rpc import RPC

URGENCIES = {"hold": 0, "default": 16, "expedite": 31}


def _raise(id_text: str, kind: str, severity: int, message: tuple[str, ...]) -> None:
    from flux.job.kill import raise_async

    jobid = parse_id(id_text)
    try:
        raise_async(handle(), jobid, kind, severity, words(message)).get()
    except OSError as exc:
        raise CommandError(f"{id_text}: {exc.strerror}") from None


@click.command("cancel", cls=JobCommand, synopsis="[OPTIONS] id [message ...]", help="Cancel a job")
@click.argument("args", nargs=-1, cls=JobIdArguments)
@click.pass_context
def cancel(ctx: click.Context, args: tuple[str, ...]) -> None:
    if not args:
        usage(ctx)
    _raise(args[0], "cancel", 0, args[1:])


@click.command(
    "raise",
    cls=JobCommand,
    synopsis="[OPTIONS] ids... [--] [message ...]",
    help="Raise exception on one or more jobs",
)
@click.option(
    "-s",
    "--severity",
    type=COUNT,
    default=0,
    metavar="N",
    help="Set exception severity [0-7] (default=0)",
)
@click.option(
    "-t",
    "--type",
    "kind",
    default="cancel",
    metavar="TYPE",
    help="Set exception type (default=cancel)",
)
@click.option("-m", "--message", "note", metavar="NOTE", help="Set exception note")
@click.argument("args", nargs=-1, cls=JobIdArguments)
@click.pass_context
def raise_command(
    ctx: click.Context, severity: int, kind: str, note: str | None, args: tuple[str, ...]
) -> None:
    if not args:
        usage(ctx)
    ids, text = ids_and_note(args)
    if text and note is not None:
        raise CommandError("Do not set note on command line and with --message")
    if len(ids) == 1:
        _raise(ids[0], kind, severity, text if note is None else (note,))
        return
    from flux.job.kill import raise_async

    message, h = words(text) if note is None else note, handle()
    _each(ctx, "raise", ids, lambda jobid: raise_async(h, jobid, kind, severity, message))


def ids_and_note(args: Sequence[str]) -> tuple[Sequence[str], tuple[str, ...]]:
    """Split the arguments of ``raise`` into ids and the words of a note.

    In 0.29 all but the first are the note, which may begin with a number or an English word that
    could be an id (``fatigue``): only what looks like the id that a command has printed is one.
    """
    count = 1
    while count < len(args) and _looks_like_id(args[count]):
        count += 1
    return args[:count], tuple(args[count:])


def _looks_like_id(word: str) -> bool:
    """Whether a word is an id as commands print them, not a number or a word of a sentence."""
    ascii_f58 = word.startswith("f") and any(char.isupper() or char.isdigit() for char in word)
    if not (ascii_f58 or word.startswith(("ƒ", "0x")) or (word.isdecimal() and len(word) > 7)):
        return False
    try:
        parse_id(word)
    except CommandError:
        return False
    return True


def _each(ctx: click.Context, command: str, ids: Sequence[str], ask: Callable[[int], RPC]) -> None:
    """Ask something for each of several jobs; tells of those that it is refused for, and fails
    then.
    """
    parsed = [(text, parse_id(text, "invalid jobid: {}")) for text in ids]
    asked = [(text, ask(jobid)) for text, jobid in parsed]
    failed = False
    for text, future in asked:
        try:
            future.get()
        except OSError as exc:
            failed = True
            talk(ctx, f"{command} {text}: {exc.strerror}")
    if failed:
        raise CommandError("", 1)


def _bulk(
    ctx: click.Context,
    request: str,
    payload: dict[str, object],
    force: bool,
    done: str,
    quiet: bool = False,
) -> None:
    """Ask the job manager for ``request``, ``raiseall`` or ``killall``, and say how many jobs it
    concerned.
    """
    try:
        rpc = handle().rpc(f"job-manager.{request}", {"dry_run": not force, **payload})
        answer = rpc.get()
    except OSError as exc:
        raise CommandError(f"{request}: {exc.strerror}") from None
    count, errors = answer["count"], answer["errors"]
    if not count:
        if not quiet:
            talk(ctx, "Command matched 0 jobs")
    elif not force:
        talk(ctx, f"Command matched {count} jobs (-f to confirm)")
    else:
        talk(ctx, f"{done} {count} jobs ({errors} errors)")
    if errors:
        raise CommandError("", 1)


_USER = click.option(
    "-u",
    "--user",
    metavar="USER",
    help="Set target user or 'all' (instance owner only)",
    shell_complete=users,
)
_STATES = click.option(
    "-S",
    "--states",
    default="active",
    metavar="STATES",
    help="Set target job states (default=ACTIVE)",
    shell_complete=job_states,
)
_FORCE = click.option("-f", "--force", is_flag=True, help="Confirm the command")
_QUIET = click.option("-q", "--quiet", is_flag=True, help="Suppress output if no jobs match")


def _active(text: str) -> int:
    """Return the states that a list names, of which no job that has ended can be meant."""
    states = parse_states(text)
    if states & FLUX_JOB_STATE_INACTIVE:
        raise CommandError("Exceptions cannot be raised on inactive jobs")
    return states


@click.command(
    "cancelall", cls=JobCommand, synopsis="[OPTIONS] [message ...]", help="Cancel multiple jobs"
)
@_USER
@_STATES
@_FORCE
@_QUIET
@click.argument("message", nargs=-1)
@click.pass_context
def cancelall(
    ctx: click.Context,
    user: str | None,
    states: str,
    force: bool,
    quiet: bool,
    message: tuple[str, ...],
) -> None:
    payload = {
        "userid": parse_userid(user),
        "states": _active(states),
        "severity": 0,
        "type": "cancel",
        "note": words(message) or "",
    }
    _bulk(ctx, "raiseall", payload, force, "Canceled", quiet)


@click.command(
    "raiseall",
    cls=JobCommand,
    synopsis="OPTIONS type [message ...]",
    help="Raise an exception on multiple jobs.",
)
@click.option(
    "-s",
    "--severity",
    type=COUNT,
    default=7,
    metavar="N",
    help="Set exception severity [0-7] (default=7)",
)
@_USER
@_STATES
@_FORCE
@click.argument("args", nargs=-1)
@click.pass_context
def raiseall(
    ctx: click.Context,
    severity: int,
    user: str | None,
    states: str,
    force: bool,
    args: tuple[str, ...],
) -> None:
    if not args:
        usage(ctx)
    payload = {
        "userid": parse_userid(user),
        "states": _active(states),
        "severity": severity,
        "type": args[0],
        "note": words(args[1:]) or "",
    }
    _bulk(ctx, "raiseall", payload, force, "Raised exception on")


@click.command(
    "kill",
    cls=JobCommand,
    synopsis="[OPTIONS] ids...",
    help="Send signal to one or more running jobs",
)
@click.option(
    "-s",
    "--signal",
    "name",
    default="SIGTERM",
    metavar="SIG",
    help="Send signal SIG (default SIGTERM)",
)
@click.argument("args", nargs=-1, cls=JobIdArguments)
@click.pass_context
def kill(ctx: click.Context, name: str, args: tuple[str, ...]) -> None:
    if not args:
        usage(ctx)
    from flux.job.kill import kill_async

    signum, h = _signal(name, "kill"), handle()
    _each(ctx, "kill", args, lambda jobid: kill_async(h, jobid, signum))


def _signal(name: str, command: str) -> int:
    signum = parse_signal(name)
    if signum is None:
        raise CommandError(f"{command}: Invalid signal {name}")
    return signum


@click.command(
    "killall", cls=JobCommand, synopsis="[OPTIONS]", help="Send signal to multiple running jobs"
)
@click.option(
    "-s",
    "--signal",
    "name",
    default="SIGTERM",
    metavar="SIG",
    help="Send signal SIG (default SIGTERM)",
)
@_USER
@_FORCE
@click.argument("args", nargs=-1)
@click.pass_context
def killall(
    ctx: click.Context, name: str, user: str | None, force: bool, args: tuple[str, ...]
) -> None:
    if args:
        usage(ctx)
    signum = _signal(name, "killall")
    done = "Terminated" if signum == 15 else "Signaled"
    _bulk(ctx, "killall", {"userid": parse_userid(user), "signum": signum}, force, done)


@click.command(
    "urgency",
    cls=JobCommand,
    synopsis="[OPTIONS] id urgency",
    help="Set job urgency (0-31, HOLD, EXPEDITE, DEFAULT)",
    # A negative number is no option, and refused for what it is.
    context_settings={"allow_interspersed_args": False},
)
@click.option("-v", "--verbose", is_flag=True, help="Output old urgency value on success")
@click.argument("args", nargs=-1, cls=JobIdArguments, further=urgencies)
@click.pass_context
def urgency(ctx: click.Context, verbose: bool, args: tuple[str, ...]) -> None:
    if len(args) != 2:
        usage(ctx)
    jobid, value = parse_id(args[0]), _urgency(args[1])
    from flux.job.submit import message_and_reason, message_of

    try:
        answer = handle().rpc("job-manager.urgency", {"id": jobid, "urgency": value}).get()
    except OSError as exc:
        lines, reason = message_and_reason(exc)
        for line in lines:
            talk(ctx, line)
        raise CommandError(f"{args[0]}: {reason.strerror}") from None
    for line in message_of(answer).splitlines():
        talk(ctx, line)
    if verbose:
        names = {number: name for name, number in URGENCIES.items()}
        old = answer["old_urgency"]
        note = f" ({names[old]})" if old in names else ""
        talk(ctx, f"old urgency: {old}{note}")


def _urgency(text: str) -> int:
    if text.lower() in URGENCIES:
        return URGENCIES[text.lower()]
    urgency = integer(text)
    if urgency is None:
        hint = suggestion(text.lower(), URGENCIES)
        raise CommandError(f'error parsing urgency: "{text}"', hint=hint)
    return urgency


@click.command(
    "annotate", cls=JobCommand, synopsis="id key value", help="Annotate job with key and value"
)
@click.argument("args", nargs=-1, cls=JobIdArguments)
@click.pass_context
def annotate(ctx: click.Context, args: tuple[str, ...]) -> None:
    if len(args) != 3:
        usage(ctx)
    from flux.wire import json

    jobid = parse_id(args[0])
    text = read_text("the value") if args[2] == "-" else args[2]
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    try:
        handle().rpc(
            "job-manager.annotate", {"id": jobid, "annotations": {"user": {args[1]: value}}}
        ).get()
    except OSError as exc:
        raise CommandError(f"annotate: {exc.strerror}") from None
