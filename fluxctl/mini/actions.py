"""What the submission commands do, in either spelling: ``flux mini submit`` and ``flux submit``
(flux-mini(1)).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from flux.job.options import values
from fluxctl.command import echo, handle, python_failure
from fluxctl.errors import CommandError
from fluxctl.mini.options import MiniOptions, failure
from fluxctl.mini.program import program, warner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from flux.core.handle import Flux
    from flux.job.Jobspec import JobspecV1
    from flux.progress import ProgressBar
    from fluxctl.mini.copies import Copy
    from fluxctl.mini.jobspec import JobspecBuilder, Script
    from fluxctl.mini.submission import JobToSubmit


_PATIENCE: Final = 2.0
"""Seconds after which somebody at a terminal is told what a job waits for."""


def _at_terminal() -> bool:
    return all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))


def _connect() -> Flux:
    return handle(python_failure)


def _builder() -> JobspecBuilder:
    from fluxctl.mini.jobspec import JobspecBuilder

    return JobspecBuilder()


def _dry_run_or(
    jobspec: JobspecV1, options: MiniOptions, submitted: Callable[[Flux, int], int]
) -> int:
    """Print the jobspec for ``--dry-run``; otherwise submit it and go on with handle and id."""
    if options.dry_run:
        echo(jobspec.dumps())
        return 0
    from flux.job.submit import message_and_reason, message_of
    from fluxctl.mini.request import make_request
    from fluxctl.mini.submitter import payload, told

    request = make_request(jobspec, options)
    flux = _connect()
    try:
        answer = flux.rpc("job-ingest.submit", payload(request)).get()
    except OSError as error:
        lines, reason = message_and_reason(error)
        sys.stderr.write(told(lines, refused=True))
        if options.todays:  # as 0.88 says it, without the number
            raise failure(reason.strerror) from None
        raise reason from None
    sys.stderr.write(told(message_of(answer).splitlines()))
    return submitted(flux, int(answer["id"]))


def _attach(options: MiniOptions) -> Callable[[Flux, int], int]:
    """Return what attaches to a submitted job; the second ``-v`` shows the job's events."""

    def attached(flux: Flux, jobid: int) -> int:
        from flux.job.JobID import id_encode
        from fluxctl.attach import AttachOptions, attach

        if options.verbose:
            echo(f"jobid: {id_encode(jobid)}", err=True)
        events, exec_events = options.verbose >= 2, options.verbose >= 3
        shown = AttachOptions(
            label=options.label_io,
            show_events=events,
            show_exec=exec_events,
            own=True,
            debug=options.debug_emulate,
            wait_event=options.wait_event,
            status_after=None if events or not _at_terminal() else _PATIENCE,
            name=id_encode(jobid) if options.todays else "",
            copies=not options.todays,
        )
        if options.todays and options.input and values.is_ranks(options.input):
            shown.stdin_tasks = options.input
        return attach(flux, jobid, shown)

    return attached


def _await_instance(flux: Flux, jobid: int) -> int:
    """Print the id of a job once it is an instance. Raises CommandError if it never is."""
    from flux.job.JobID import id_encode
    from fluxctl.target import resolve

    resolve(id_encode(jobid), wait=True)
    return _print_id(flux, jobid)


def _say_nothing(_flux: Flux, _jobid: int) -> int:
    return 0


def _print_id(_flux: Flux, jobid: int) -> int:
    from flux.job.JobID import id_encode

    echo(id_encode(jobid))
    return 0


def run(options: MiniOptions, words: Sequence[str]) -> int:
    """Submit a job and wait for it, with its output here; returns its exit code."""
    return _dry_run_or(_builder().tasks(options, words), options, _attach(options))


def alloc(options: MiniOptions, words: Sequence[str]) -> int:
    """Submit an instance, and attach to it unless it is to run in the background."""
    interactive = not options.bg and sys.stdin.isatty() and sys.stdout.isatty()
    after = _await_instance if options.bg else _attach(options)
    return _dry_run_or(_builder().alloc(options, words, interactive), options, after)


def batch(options: MiniOptions, script: Script) -> int:
    """Submit a script that runs in an instance of its own, and print the job's id."""
    after = _say_nothing if options.quiet else _print_id
    return _dry_run_or(_builder().batch(options, script), options, after)


def submit(options: MiniOptions, words: Sequence[str]) -> int:
    """Submit a job, or copies of it, and print their ids."""
    from fluxctl.mini.copies import copies, ids_of_copies

    _refuse_input_of_some(options, "submit")
    ids = ids_of_copies(options)
    found = copies(_builder(), options, words, ids)
    if options.dry_run:
        echo(next(found).jobspec.dumps())
        return 0
    return _run_jobs(found, options, 1 if ids is None else len(ids))


def bulksubmit(options: MiniOptions, words: Sequence[str]) -> int:
    """Submit a job for each of many inputs, and print their ids."""
    from fluxctl.mini.bulk import BulkSubmission
    from fluxctl.mini.copies import bulk_copies

    _refuse_input_of_some(options, "bulksubmit")
    bulk = BulkSubmission(options, words, on_terminal=_announce_terminal)
    if options.dry_run:
        name = program().removeprefix("flux-") if options.todays else program()
        if options.todays and options.progress and bulk.total is not None:
            echo(f"{name}: submitting a total of {bulk.total} jobs")
        for line in bulk.describe():
            echo(f"{name}: {line}")
        return 0
    return _run_jobs(bulk_copies(bulk), options, bulk.total, 0 if bulk.reads_stdin else None)


def _refuse_input_of_some(options: MiniOptions, command: str) -> None:
    """Nobody here sends a job its input: there is none to choose tasks for."""
    if options.todays and options.input and values.is_ranks(options.input):
        text = f"{warner()}: ERROR: per-task input not supported for {command}"
        raise CommandError(text, bare=True)


def _announce_terminal() -> None:
    echo(f"{program()}: waiting for inputs on stdin, one a line; end with Ctrl-D", err=True)


def _progress_bar(options: MiniOptions, total: int | None) -> ProgressBar | None:
    if not options.progress:
        return None
    if not sys.stdout.isatty():
        echo(f"{warner()}: WARNING: stdout is not a tty. Ignoring --progress option", err=True)
        return None
    from fluxctl.mini.progress import progress_bar

    waits = options.wait or options.watch or options.wait_event is not None
    return progress_bar(total or 1, waits=waits, jps=options.jps)


def _run_jobs(
    found: Iterable[Copy | None], options: MiniOptions, total: int | None, stdin: int | None = None
) -> int:
    from fluxctl.mini.copies import jobs
    from fluxctl.mini.submission import Settings
    from fluxctl.mini.submitter import Submitter

    settings = Settings(
        wait=options.wait,
        watch=options.watch,
        quiet=options.quiet,
        label=options.label_io,
        label_jobs=options.todays,
        todays=options.todays,
        verbose=options.verbose,
        stdin=stdin,
        wait_event=options.wait_event,
    )
    first = _first(jobs(found))
    flux = _connect()
    return Submitter(flux, first, settings, _progress_bar(options, total), total).run()


def _first(jobs: Iterator[JobToSubmit | None]) -> Iterator[JobToSubmit | None]:
    """Make the first job now: bad options are reported before a connection is needed."""
    from itertools import chain

    try:
        return chain([next(jobs)], jobs)
    except StopIteration:
        return jobs
