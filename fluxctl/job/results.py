"""``flux job`` attach, status, wait."""

from __future__ import annotations

import errno
import sys
from typing import TYPE_CHECKING

import click

from fluxctl.command import echo, handle, talk
from fluxctl.errors import CommandError
from fluxctl.job.options import JobCommand, JobIdArguments, parse_id, usage
from fluxctl.json_output import json_option, print_json
from fluxctl.option_types import INTEGER
from fluxctl.waiting import WaitLine, active_jobs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flux.core.handle import Flux
    from flux.wire.json import JsonMapping

ANY = -1


@click.command(
    "status",
    cls=JobCommand,
    synopsis="id [id ...]",
    help="Wait for job(s) to complete and exit with largest exit code",
)
@click.option("-v", "--verbose", count=True, help="Increase verbosity")
@click.option(
    "-e",
    "--exception-exit-code",
    type=INTEGER,
    metavar="N",
    help="Exit code for jobs that an exception ended before they had one (default: 1)",
)
@click.option(
    "-j",
    "--json",
    "as_json",
    is_flag=True,
    help="Dump job result information gleaned from eventlog to stdout",
)
@click.argument("args", nargs=-1, cls=JobIdArguments)
@click.pass_context
def status(
    ctx: click.Context,
    verbose: int,
    exception_exit_code: int | None,
    as_json: bool,
    args: tuple[str, ...],
) -> None:
    if not args:
        usage(ctx)
    from flux.job.wait import result_async

    h = handle()
    futures = [(text, result_async(h, parse_id(text))) for text in args]
    worst = 0
    for text, future in futures:
        try:
            facts = future.get_dict()
        except OSError as exc:
            reason = "No such job" if exc.errno == errno.ENOENT else exc.strerror
            raise CommandError(f"{text}: {reason}") from None
        code, note = exit_code_of(facts, exception_exit_code)
        if as_json:
            print_json(facts)
        if verbose > 1 or (verbose and code):
            talk(ctx, f"{text}: {note}")
        worst = max(worst, code)
    if worst:
        raise CommandError("", worst)


def exit_code_of(facts: JsonMapping, exception_exit_code: int | None = None) -> tuple[int, str]:
    """Return the exit code that stands for a job's result and a sentence about it;
    ``exception_exit_code`` is that of a job which an exception ended before its tasks had one.
    """
    from flux.job.lifecycle import exit_code
    from flux.waitstatus import signal_of

    waitstatus = facts.get("waitstatus")
    fatal = facts["exception_occurred"] and facts["exception_severity"] == 0
    code = exit_code(waitstatus, True)
    if fatal:
        if waitstatus is None and exception_exit_code is not None:
            code = exception_exit_code
        elif waitstatus is None:
            code = code or 1
        return code, f"exception type={facts['exception_type']}"
    signum = 0 if waitstatus is None else signal_of(waitstatus)
    if signum:
        return code, f"job shell died by signal {signum}"
    return code, f"exited with exit code {code}"


@click.command("wait", cls=JobCommand, synopsis="[--all] [id]", help="Wait for job(s) to complete.")
@click.option("-a", "--all", "every", is_flag=True, help="Wait for all (waitable) jobs")
@click.option("-v", "--verbose", is_flag=True, help="Emit a line of output for all jobs")
@json_option("Print the result of each job as one line of JSON")
@click.argument("args", nargs=-1, cls=JobIdArguments)
@click.pass_context
def wait(
    ctx: click.Context, every: bool, verbose: bool, as_json: bool, args: tuple[str, ...]
) -> None:
    if len(args) > 1:
        usage(ctx)
    if every and args:
        raise CommandError("jobid not supported with --all")
    if every:
        _wait_all(handle(), verbose, as_json)
        return
    jobid = parse_id(args[0]) if args else ANY
    try:
        answer = handle().rpc("job-manager.wait", {"id": jobid}).get()
    except OSError as exc:
        raise CommandError(exc.strerror or "wait failed") from None
    if as_json:
        print_json(_result(answer))
    elif not args:
        echo(_f58(answer["id"]))
    if not answer["success"]:
        raise CommandError(answer["errstr"])
    if verbose:
        talk(ctx, answer["errstr"])


def _result(answer: JsonMapping) -> dict[str, object]:
    """Return the result of a job that was waited for, as it is printed."""
    return {"f58": _f58(answer["id"]), **answer}


def _wait_all(h: Flux, verbose: bool, as_json: bool) -> None:
    failed = False
    with WaitLine(lambda: active_jobs(h, None)) as line:
        for answer in _results(h, line):
            failed = failed or not answer["success"]
            if as_json:
                print_json(_result(answer))
            elif verbose or not answer["success"]:
                sys.stdout.flush()
                echo(f"{_f58(answer['id'])}: {answer['errstr']}", err=True)
    if failed:
        raise CommandError("", 1)


def _results(h: Flux, line: WaitLine) -> Iterator[JsonMapping]:
    """Yield the result of each waitable job as it ends, until there is none any more."""
    while True:
        future = h.rpc("job-manager.wait", {"id": ANY})
        try:
            line.wait(future)
            yield future.get()
        except OSError as exc:
            if exc.errno == errno.ECHILD:
                return
            raise CommandError(exc.strerror or "wait failed") from None


def _f58(jobid: int) -> str:
    from flux.job.JobID import id_encode

    return id_encode(jobid, "f58")
