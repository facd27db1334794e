"""``flux queue``: control the job queues."""

from __future__ import annotations

import errno
import sys
from typing import TYPE_CHECKING, NoReturn, Unpack

import click

from flux.terminal_text import terminal_line
from fluxctl import completions
from fluxctl.color import Paint, sign_codes
from fluxctl.command import FluxCommand, FluxGroup, echo, handle, program_name, talk
from fluxctl.errors import CommandError
from fluxctl.json_output import json_option, print_json, print_json_lines
from fluxctl.list_output import ListTable
from fluxctl.option_types import duration
from fluxctl.queue_options import (
    brief_option,
    choosing,
    choosing_shortly,
    counters_option,
    long_quiet_option,
    message_option,
    queue_option,
    short_queue_option,
    verbose_option,
)
from fluxctl.queue_requests import SCHEDULING, SUBMISSION, QueueRequests, sentences
from fluxctl.queue_table import (
    HEADINGS,
    LIST_FORMAT,
    NAMED_FORMATS,
    STATE_FORMAT,
    STATE_HEADINGS,
    QueueRow,
    queue_facts,
    queue_role,
    queue_row,
)
from fluxctl.saved_formats import SavedFormats
from fluxctl.suggestions import queue_suggestion
from fluxctl.waiting import WaitLine, active_jobs

if TYPE_CHECKING:
    from flux.wire.json import JsonObject
    from fluxctl.list_output import ListChoice
    from fluxctl.queue_requests import AdminAnswer, QueueChoice, SwitchRequests

FORMATS = SavedFormats("flux-queue", NAMED_FORMATS, "list")
QUEUES = ListTable(HEADINGS, LIST_FORMAT, saved=FORMATS, refusal="ERROR: ")
QUEUE_STATES = ListTable(STATE_HEADINGS, STATE_FORMAT)


def _requests() -> QueueRequests:
    return QueueRequests(handle())


class QueueCommand(FluxCommand):
    """A sub-command of ``flux queue``; superfluous words get the usage line, as in flux-core."""

    def report(self, ctx: click.Context, exc: click.UsageError) -> NoReturn:
        """Raise the CommandError for a usage error."""
        if type(exc) is click.UsageError:
            text = f"{program_name(ctx)}: {exc.format_message()}\n{ctx.get_usage()}"
            raise CommandError(text, 1, bare=True) from None
        super().report(ctx, exc)


class QueueGroup(FluxGroup):
    """``flux queue``; an unknown sub-command gets the usage line, as in flux-core."""

    command_class = QueueCommand

    def unknown(self, ctx: click.Context, word: str) -> CommandError | None:
        """Return the failure of a word that does not name a sub-command."""
        failure = super().unknown(ctx, word)
        if failure is None:
            return None
        return CommandError(f"{failure.message}\n{ctx.get_usage()}", 1, bare=True)


@click.group("queue", cls=QueueGroup)
def command() -> None:
    """Control the job queues: submission, scheduling, waiting for quiet."""


def _report(ctx: click.Context, what: str, answer: AdminAnswer) -> None:
    state = "enabled" if answer["enable"] else "disabled"
    reason = f": {answer['reason']}" if answer["reason"] else ""
    talk(ctx, f"{what} is {state}{reason}")


def _are_todays(choice: QueueChoice, why: str | None) -> bool:
    """Tell whether options were typed that 0.29 does not have: then the queue without a name is
    told of as today, on stdout.
    """
    return choice["every"] or choice["nocheckpoint"] or why is not None


def _say_nameless(switch: SwitchRequests, answer: AdminAnswer) -> None:
    """Say how a switch of the queue without a name is turned, as today's command does."""
    on, why = answer["enable"], answer["reason"]
    status = {"enable": on, "start": on, "disable_reason": why, "stop_reason": why}
    echo(sentences("", status)[switch["sentence"]])


def _say(switch: SwitchRequests, names: list[str]) -> None:
    """Say how a switch of named queues is turned."""
    for name in names:
        echo(sentences(name, _requests().ask("queue-status", {"name": name}))[switch["sentence"]])


def _turn_submission(
    ctx: click.Context,
    on: bool,
    choice: QueueChoice,
    words: tuple[str, ...] = (),
    why: str | None = None,
    *,
    quiet: bool,
    verbose: bool,
) -> None:
    answer, names = _requests().turn(SUBMISSION, on, choice, words, why)
    if quiet:
        return
    if answer is not None and (verbose or _are_todays(choice, why)):
        _say_nameless(SUBMISSION, answer)
    elif answer is not None:
        _report(ctx, "Job submission", answer)
    _say(SUBMISSION, _requests().names() if names and verbose else names)


@command.command("enable")
@choosing_shortly
@verbose_option
@long_quiet_option
@click.argument("queues", metavar="[QUEUE...]", nargs=-1, shell_complete=completions.queues)
@click.pass_context
def enable(
    ctx: click.Context,
    verbose: bool,
    quiet: bool,
    queues: tuple[str, ...],
    **choice: Unpack[QueueChoice],
) -> None:
    """Enable job submission."""
    _turn_submission(ctx, True, choice, queues, quiet=quiet, verbose=verbose)


@command.command("disable")
@choosing_shortly
@verbose_option
@message_option
@long_quiet_option
@click.argument("reason", nargs=-1)
@click.pass_context
def disable(
    ctx: click.Context,
    verbose: bool,
    message: str | None,
    quiet: bool,
    reason: tuple[str, ...],
    **choice: Unpack[QueueChoice],
) -> None:
    """Disable job submission, for REASON, which queues with a name do not need."""
    if not reason and not message:
        if choice["queue"] is None and not choice["every"]:
            raise CommandError("submit: reason is required for disable")
        message = SUBMISSION["reason"]
    _turn_submission(ctx, False, choice, reason, message, quiet=quiet, verbose=verbose)


def _report_scheduling(
    ctx: click.Context, answer: AdminAnswer, *, verbose: bool, quiet: bool = False
) -> None:
    if not quiet:
        _report(ctx, "Scheduling", answer)
    if verbose:
        _report_counters(ctx, answer)


def _say_counters(answer: AdminAnswer) -> None:
    """Print the counters as today's command does, which all that knows queues with names is."""
    echo(f"{answer['queue_length']} alloc requests queued")
    echo(f"{answer['alloc_pending']} alloc requests pending to scheduler")
    echo(f"{answer['running']} running jobs")


def _report_counters(ctx: click.Context, answer: AdminAnswer) -> None:
    talk(ctx, f"{answer['queue_length']} alloc requests queued")
    talk(ctx, f"{answer['alloc_pending']} alloc requests pending to scheduler")
    talk(ctx, f"{answer['free_pending']} free requests pending to scheduler")
    talk(ctx, f"{answer['running']} running jobs")


def _turn_scheduling(
    ctx: click.Context,
    on: bool,
    choice: QueueChoice,
    words: tuple[str, ...],
    why: str | None = None,
    *,
    verbose: bool,
    quiet: bool,
    brief: bool,
) -> None:
    answer, names = _requests().turn(SCHEDULING, on, choice, words, why)
    if answer is not None and not _are_todays(choice, why):
        _report_scheduling(ctx, answer, verbose=verbose, quiet=quiet or brief)
        return
    if answer is not None and not (quiet or brief):
        _say_nameless(SCHEDULING, answer)
    # `-q` is --quiet in 0.29, where no queue has a name, and today's --queue before one.
    if not (quiet or (brief and names != list(words))):
        _say(SCHEDULING, _requests().names() if verbose else names)
    if verbose and not quiet:
        _say_counters(_requests().admin("alloc-admin", True, False))


@command.command("start")
@counters_option
@brief_option
@long_quiet_option
@choosing
@click.argument("queues", metavar="[QUEUE...]", nargs=-1, shell_complete=completions.queues)
@click.pass_context
def start(
    ctx: click.Context,
    verbose: bool,
    quiet: bool,
    brief: bool,
    queues: tuple[str, ...],
    **choice: Unpack[QueueChoice],
) -> None:
    """Start scheduling."""
    _turn_scheduling(ctx, True, choice, queues, verbose=verbose, quiet=quiet, brief=brief)


@command.command("stop")
@counters_option
@brief_option
@long_quiet_option
@choosing
@message_option
@click.argument("reason", nargs=-1)
@click.pass_context
def stop(
    ctx: click.Context,
    verbose: bool,
    quiet: bool,
    brief: bool,
    message: str | None,
    reason: tuple[str, ...],
    **choice: Unpack[QueueChoice],
) -> None:
    """Stop scheduling, for REASON; running jobs are not touched."""
    _turn_scheduling(ctx, False, choice, reason, message, verbose=verbose, quiet=quiet, brief=brief)


@command.command("status")
@counters_option
@short_queue_option
@QUEUE_STATES.options("Print one JSON object with everything.")
@click.argument("name", metavar="[QUEUE]", required=False, shell_complete=completions.queues)
@click.pass_context
def status(
    ctx: click.Context,
    verbose: bool,
    queue: str | None,
    name: str | None,
    **choice: Unpack[ListChoice],
) -> None:
    """Tell whether submission and scheduling are enabled.

    With a format there is a line for each queue; one without a name is called -.
    """
    queue = (name or None) if queue is None else queue
    QUEUE_STATES.format_of(choice)  # before there is a connection
    paint = Paint(choice["color"])
    if choice["as_json"]:
        _print_status(queue)
        return
    if choice["layout"] is not None:
        QUEUE_STATES.show(_state_rows(queue), choice, queue_role)
        return
    if queue is not None and not verbose:
        _say_both([queue], paint)
        return
    submission = _requests().admin("submit-admin", True, False)
    names = submission.get("queues")
    if not names:
        _report(ctx, "Job submission", submission)
        _report_scheduling(ctx, _requests().admin("alloc-admin", True, False), verbose=verbose)
        return
    _say_both(names, paint)
    if verbose:
        _say_counters(_requests().admin("alloc-admin", True, False))


def _say_both(names: list[str], paint: Paint) -> None:
    for name in names:
        state = _requests().ask("queue-status", {"name": name})
        on = (state["enable"], state["start"])
        for sentence, well in zip(sentences(name, state), on, strict=True):
            echo(paint(terminal_line(sentence), "" if well else "warn"), raw=True)


def _state_rows(queue: str | None) -> list[dict[str, object]]:
    """Return the columns of each queue, or of one."""
    names: list[str | None] = [queue] if queue is not None else [*_requests().names()] or [None]
    return [
        queue_row(name, _requests().ask("queue-status", {} if name is None else {"name": name}))
        for name in names
    ]


def _print_status(queue: str | None) -> None:
    if queue is not None:
        print_json({queue: _requests().ask("queue-status", {"name": queue})})
        return
    submission = _requests().admin("submit-admin", True, False)
    names = submission.pop("queues", [])
    found: JsonObject = {
        "submission": submission,
        "scheduling": _requests().admin("alloc-admin", True, False),
    }
    if names:
        found["queues"] = {name: _requests().ask("queue-status", {"name": name}) for name in names}
    print_json(found)


@command.command("list")
@click.option(
    "-q",
    "--queue",
    "queues",
    metavar="NAME,...",
    help="List these queues only.",
    shell_complete=completions.queue_list,
)
@QUEUES.options("Print each queue as one line of JSON, with its default format's fields.")
def list_queues(queues: str | None, **choice: Unpack[ListChoice]) -> None:
    """Show each queue's state, the default and the greatest time limit, and the numbers of nodes,
    cores and GPUs that its jobs may ask for.
    """
    from flux.queue import queue_list, queue_names

    QUEUES.format_of(choice)  # before there is a connection
    flux = handle()
    wanted = None if queues is None else queues.split(",")
    try:
        unknown = [name for name in wanted or () if name not in queue_names(flux)]
        found = [] if unknown else queue_list(flux, wanted)
    except OSError as exc:
        raise CommandError(f"list: {exc.strerror}") from None
    if unknown:
        hint = queue_suggestion(flux, unknown)
        raise CommandError(f"ERROR: No such queue: {unknown[0]}", hint=hint)
    if choice["as_json"]:
        print_json_lines(queue_facts(queue) for queue in found)
        return
    codes = sign_codes(choice["color"])
    QUEUES.show_objects([QueueRow(queue, codes) for queue in found], choice)


_TIMEOUT = click.option(
    "-t", "--timeout", metavar="DURATION", help="Give up after DURATION (RFC 23)."
)


def _wait(topic: str, timeout: str | None, queue: str | None) -> int:
    """Wait and return the number of pending jobs."""
    payload = None if queue is None else {"name": queue}
    refusal = f"Invalid argument for option timeout: {timeout}"
    seconds = None if timeout is None else duration(timeout, refusal)
    flux = handle()
    future = flux.rpc(f"job-manager.{topic}", payload)
    try:
        with WaitLine(lambda: active_jobs(flux, queue, running=topic == "idle")) as line:
            line.wait(future, seconds)
        answer = future.get()
    except OSError as exc:
        reason = "timeout" if exc.errno == errno.ETIMEDOUT else exc.strerror
        hint = queue_suggestion(flux, [] if queue is None else [queue])
        raise CommandError(f"{topic}: {reason}", hint=hint) from None
    return int(answer["pending"]) if answer else 0


@command.command("drain")
@_TIMEOUT
@short_queue_option
def drain(timeout: str | None, queue: str | None) -> None:
    """Wait until no job is active."""
    _wait("drain", timeout, queue)


@command.command("idle")
@_TIMEOUT
@queue_option
@click.option(
    "-q", "--quiet", is_flag=True, help="Only display pending jobs, not that there are none."
)
@json_option("Print the number of pending jobs as one JSON object.")
@click.pass_context
def idle(
    ctx: click.Context, timeout: str | None, queue: str | None, quiet: bool, as_json: bool
) -> None:
    """Wait until no job is running and tell how many are pending."""
    pending = _wait("idle", timeout, queue)
    if as_json:
        print_json({"pending": pending})
    elif pending or not quiet:
        sys.stdout.flush()
        talk(ctx, f"{pending} pending jobs")


EXAMPLES = """
# Tell whether jobs may be submitted and are started
flux queue status --verbose
# Let no job start for a while, and why
flux queue stop the file system is being repaired
flux queue start
# Wait until all jobs have ended, for a minute at most
flux queue drain --timeout=60s
"""
