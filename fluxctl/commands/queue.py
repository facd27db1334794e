"""``flux queue``: control the job queue."""

from __future__ import annotations

import errno
import sys
from typing import NotRequired, TypedDict

import click

from fluxctl.command import FluxGroup, echo, handle, talk
from fluxctl.errors import CommandError
from fluxctl.option_types import duration


@click.group("queue", cls=FluxGroup)
def command() -> None:
    """Control the job queue: submission, scheduling, waiting for quiet."""


class _Answer(TypedDict):
    """What ``submit-admin`` and ``alloc-admin`` answer; only the latter has the counters."""

    enable: bool
    reason: str
    queue_length: NotRequired[int]
    alloc_pending: NotRequired[int]
    free_pending: NotRequired[int]
    running: NotRequired[int]


def _admin(topic: str, query: bool, enable: bool, reason: tuple[str, ...] = ()) -> _Answer:
    payload = {"query_only": query, "enable": enable, "reason": " ".join(reason)}
    try:
        answer: _Answer = handle().rpc(f"job-manager.{topic}", payload).get()
    except OSError as exc:
        raise CommandError(f"{topic}: {exc.strerror}") from None
    return answer


def _report(ctx: click.Context, what: str, answer: _Answer) -> None:
    state = "enabled" if answer["enable"] else "disabled"
    reason = f": {answer['reason']}" if answer["reason"] else ""
    talk(ctx, f"{what} is {state}{reason}")


@command.command("enable")
@click.pass_context
def enable(ctx: click.Context) -> None:
    """Enable job submission."""
    _report(ctx, "Job submission", _admin("submit-admin", False, True))


@command.command("disable")
@click.argument("reason", nargs=-1)
@click.pass_context
def disable(ctx: click.Context, reason: tuple[str, ...]) -> None:
    """Disable job submission, for REASON."""
    _report(ctx, "Job submission", _admin("submit-admin", False, False, reason))


_quiet_option = click.option("-q", "--quiet", is_flag=True, help="Say nothing.")
_counters_option = click.option(
    "-v", "--verbose", is_flag=True, help="Display the queue's counters, too."
)


def _report_scheduling(
    ctx: click.Context, answer: _Answer, *, verbose: bool, quiet: bool = False
) -> None:
    if not quiet:
        _report(ctx, "Scheduling", answer)
    if verbose:
        talk(ctx, f"{answer['queue_length']} alloc requests queued")
        talk(ctx, f"{answer['alloc_pending']} alloc requests pending to scheduler")
        talk(ctx, f"{answer['free_pending']} free requests pending to scheduler")
        talk(ctx, f"{answer['running']} running jobs")


@command.command("start")
@_counters_option
@_quiet_option
@click.pass_context
def start(ctx: click.Context, verbose: bool, quiet: bool) -> None:
    """Start scheduling."""
    answer = _admin("alloc-admin", False, True)
    _report_scheduling(ctx, answer, verbose=verbose, quiet=quiet)


@command.command("stop")
@_counters_option
@_quiet_option
@click.argument("reason", nargs=-1)
@click.pass_context
def stop(ctx: click.Context, verbose: bool, quiet: bool, reason: tuple[str, ...]) -> None:
    """Stop scheduling, for REASON; running jobs are not touched."""
    answer = _admin("alloc-admin", False, False, reason)
    _report_scheduling(ctx, answer, verbose=verbose, quiet=quiet)


@command.command("status")
@_counters_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with everything.")
@click.pass_context
def status(ctx: click.Context, verbose: bool, as_json: bool) -> None:
    """Tell whether submission and scheduling are enabled."""
    if as_json:
        from flux.wire import json

        submission, scheduling = (
            _admin("submit-admin", True, False),
            _admin("alloc-admin", True, False),
        )
        echo(json.dumps_str({"submission": submission, "scheduling": scheduling}))
        return
    _report(ctx, "Job submission", _admin("submit-admin", True, False))
    _report_scheduling(ctx, _admin("alloc-admin", True, False), verbose=verbose)


_TIMEOUT = click.option(
    "-t", "--timeout", metavar="DURATION", help="Give up after DURATION (RFC 23)."
)


def _wait(topic: str, timeout: str | None) -> int:
    """Wait and return the number of pending jobs."""
    future = handle().rpc(f"job-manager.{topic}")
    try:
        if timeout is not None:
            refusal = f"Invalid argument for option timeout: {timeout}"
            future.wait_for(duration(timeout, refusal))
        answer = future.get()
    except OSError as exc:
        reason = "timeout" if exc.errno == errno.ETIMEDOUT else exc.strerror
        raise CommandError(f"{topic}: {reason}") from None
    return int(answer["pending"]) if answer else 0


@command.command("drain")
@_TIMEOUT
def drain(timeout: str | None) -> None:
    """Wait until no job is active."""
    _wait("drain", timeout)


@command.command("idle")
@_TIMEOUT
@click.option(
    "-q", "--quiet", is_flag=True, help="Only display pending jobs, not that there are none."
)
@click.pass_context
def idle(ctx: click.Context, timeout: str | None, quiet: bool) -> None:
    """Wait until no job is running and tell how many are pending."""
    pending = _wait("idle", timeout)
    if pending or not quiet:
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
