"""``flux mini``: submit jobs (flux-mini(1))."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from fluxctl.command import echo, handle, python_failure
from fluxctl.errors import CommandError
from fluxctl.mini import options as opts
from fluxctl.python_style import PythonCommand, PythonGroup

if TYPE_CHECKING:
    from flux.core.handle import Flux
    from flux.idset import IDset
    from flux.progress import ProgressBar
    from fluxctl.mini.request import Options, Request, RequestBuilder
    from fluxctl.mini.submitter import Job

_SETTINGS = {"allow_interspersed_args": False}


class MiniCommand(PythonCommand):
    """A sub-command of ``flux mini``: what fails is reported as ``flux-mini: ERROR: reason``."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run; OSError from files and from the broker ends with its errno and text."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise CommandError(f"ERROR: {error}") from None


@click.group(cls=PythonGroup)
def command() -> None:
    """Submit jobs: N copies of a command, one command for many inputs, or a whole Flux instance."""


def _connect() -> Flux:
    return handle(python_failure)


def _builder() -> RequestBuilder:
    from fluxctl.mini.request import RequestBuilder

    return RequestBuilder()


def _submit_one(options: Options, request: Request) -> tuple[Flux, int]:
    """Submit a job and return the handle and the id."""
    from fluxctl.mini.request import RequestBuilder
    from fluxctl.mini.submitter import payload

    RequestBuilder.rate(request, options)
    flux = _connect()
    return flux, int(flux.rpc("job-ingest.submit", payload(request)).get()["id"])


def _attach(flux: Flux, jobid: int, options: Options, threshold: int) -> int:
    """Attach to a job; `threshold` is the verbosity that shows the job's events."""
    from flux.job.JobID import id_encode
    from fluxctl.attach import AttachOptions, attach

    verbose = int(options.get("verbose") or 0)
    if verbose:
        echo(f"jobid: {id_encode(jobid)}", err=True)
    shown = AttachOptions(
        label=bool(options.get("label_io")),
        show_events=verbose >= threshold,
        show_exec=verbose >= threshold + 1,
    )
    return attach(flux, jobid, shown)


@command.command(cls=MiniCommand, context_settings=_SETTINGS)
@opts.with_options(opts.run_options())
@opts.words("COMMAND...")
def run(words: tuple[str, ...], **values: Any) -> int:
    """Run a job and wait for it, with its output here."""
    options = opts.given(values)
    request = _builder().tasks(options, words)
    if options["dry_run"]:
        echo(request.jobspec.dumps())
        return 0
    flux, jobid = _submit_one(options, request)
    return _attach(flux, jobid, options, threshold=2)


@command.command(cls=MiniCommand, context_settings=_SETTINGS)
@opts.with_options(opts.alloc_options())
@opts.words("[COMMAND...]")
def alloc(words: tuple[str, ...], **values: Any) -> int:
    """Start a Flux instance as a job and attach to it."""
    options = opts.given(values)
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    request = _builder().alloc(options, words, interactive)
    if options["dry_run"]:
        echo(request.jobspec.dumps())
        return 0
    flux, jobid = _submit_one(options, request)
    return _attach(flux, jobid, options, threshold=2)


@command.command(cls=MiniCommand, context_settings=_SETTINGS)
@opts.with_options(opts.batch_options())
@opts.words("[SCRIPT...]")
def batch(words: tuple[str, ...], **values: Any) -> int:
    """Submit a script that runs in a Flux instance of its own."""
    from flux.job.JobID import id_encode

    options = opts.given(values)
    request = _builder().batch(options, words)
    if options["dry_run"]:
        echo(request.jobspec.dumps())
        return 0
    _, jobid = _submit_one(options, request)
    echo(id_encode(jobid))
    return 0


@command.command(cls=MiniCommand, context_settings=_SETTINGS)
@opts.with_options(opts.submit_options())
@opts.words("COMMAND...")
def submit(words: tuple[str, ...], **values: Any) -> int:
    """Submit a job and print its id."""
    options = opts.given(values)
    ids = _copies(options)
    jobs = _replicate(_builder(), options, list(words), ids)
    if options["dry_run"]:
        first = next(jobs).request
        assert first is not None
        echo(first.jobspec.dumps())
        return 0
    return _run_jobs(jobs, options, 1 if ids is None else len(ids))


@command.command(cls=MiniCommand, context_settings=_SETTINGS)
@opts.with_options(opts.bulksubmit_options())
@opts.words("COMMAND...")
def bulksubmit(words: tuple[str, ...], **values: Any) -> int:
    """Submit one job for each input, given after ::: or read from stdin."""
    from fluxctl.mini.bulk import BulkSubmission

    options = opts.given(values)
    bulk = BulkSubmission(options, words, on_terminal=_announce_terminal)
    if options["dry_run"]:
        for line in bulk.describe():
            echo(f"flux-mini: {line}")
        return 0
    jobs = _bulk_jobs(bulk)
    return _run_jobs(jobs, options, bulk.total, 0 if bulk.reads_stdin else None)


def _announce_terminal() -> None:
    echo("flux-mini: waiting for inputs on stdin, one a line; end with Ctrl-D", err=True)


def _copies(options: Options) -> IDset | None:
    """Return the ids of ``--cc`` or ``--bcc``, None if there are none."""
    from flux.idset import IDset
    from fluxctl.mini.request import failure

    if options.get("cc") and options.get("bcc"):
        raise failure("specify only one of --cc or --bcc")
    text = options.get("cc") or options.get("bcc")
    if not text:
        return None
    try:
        return IDset(text)
    except ValueError as error:
        raise failure(error) from None


def _replicate(builder: RequestBuilder, options: Options, words: list[str], ids: IDset | None) -> Iterator[Job]:
    """Yield the copies of a job that ``--cc`` or ``--bcc`` ask for, or the job itself."""
    from fluxctl.mini.submitter import Job
    from fluxctl.mini.template import describe, replace_cc, replace_cc_options

    verbose = bool(options.get("verbose"))
    for cc in [None] if ids is None else ids:
        mine, command_words = options, words
        if cc is not None:
            mine = replace_cc_options(options, str(cc))
            command_words = [replace_cc(word, str(cc)) for word in words]
        request = builder.tasks(mine, command_words)
        if not options.get("dry_run"):
            builder.rate(request, mine)
        if cc is not None and options.get("cc"):
            environment = dict(request.jobspec.environment or {})
            environment["FLUX_JOB_CC"] = str(cc)
            request.jobspec.environment = environment
        description = describe(mine, command_words) if verbose else ""
        yield Job(request, mine.get("log"), mine.get("log_stderr"), description)


def _bulk_jobs(bulk: Any) -> Iterator[Job | None]:
    """Yield the jobs of a bulk submission, None where the next input is not there yet."""
    builder = _builder()
    for made in bulk:
        if made is None:
            yield None
            continue
        options, words = made
        ids = _copies(options)
        if ids is None:
            from fluxctl.mini.template import replace_cc, replace_cc_options

            options, words = replace_cc_options(options, ""), [replace_cc(word, "") for word in words]
        yield from _replicate(builder, options, words, ids)


def _progress_bar(options: Options, total: int | None) -> ProgressBar | None:
    if not options.get("progress"):
        return None
    if not sys.stdout.isatty():
        echo("flux-mini: WARNING: stdout is not a tty. Ignoring --progress option", err=True)
        return None
    from flux.progress import ProgressBar

    waits = options.get("wait") or options.get("watch")
    before = "PD:{pending} R:{running} CD:{complete} F:{failed} " if waits else "Submitting {total} jobs: "
    after = "{percent:5.1f}% {elapsed.dt}"
    if options.get("jps"):
        after = "{percent:5.1f}% {jps:4.1f} job/s"
    return ProgressBar(
        total=total or 1, before=before, after=after, pending=0, running=0, complete=0, failed=0, jps=0.0
    )


def _run_jobs(jobs: Iterator[Job | None], options: Options, total: int | None, stdin: int | None = None) -> int:
    from fluxctl.mini.submitter import Settings, Submitter

    settings = Settings(
        wait=bool(options.get("wait")),
        watch=bool(options.get("watch")),
        quiet=bool(options.get("quiet")),
        label=bool(options.get("label_io")),
        verbose=int(options.get("verbose") or 0),
        stdin=stdin,
    )
    first = _first(jobs)
    flux = _connect()
    return Submitter(flux, first, settings, _progress_bar(options, total), total).run()


def _first(jobs: Iterator[Job | None]) -> Iterator[Job | None]:
    """Make the first job now: bad options are reported before a connection is needed."""
    from itertools import chain

    try:
        return chain([next(jobs)], jobs)
    except StopIteration:
        return jobs
