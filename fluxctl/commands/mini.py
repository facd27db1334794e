"""``flux mini``: submit jobs (flux-mini(1))."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from fluxctl.command import echo, handle, python_failure
from fluxctl.errors import CommandError, ReaderGone
from fluxctl.mini import click_options as opts
from fluxctl.mini.options import MiniOptions, given
from fluxctl.option_groups import with_options
from fluxctl.python_style import PythonCommand, PythonGroup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from flux.core.handle import Flux
    from flux.job.Jobspec import JobspecV1
    from flux.progress import ProgressBar
    from fluxctl.mini.copies import Copy
    from fluxctl.mini.jobspec import JobspecBuilder, Script
    from fluxctl.mini.submission import JobToSubmit


class MiniCommand(PythonCommand):
    """A sub-command of ``flux mini``: what fails is reported as ``flux-mini: ERROR: reason``."""

    allow_interspersed_args = False

    def invoke(self, ctx: click.Context) -> object:
        """Run; OSError from files and from the broker ends with its errno and text."""
        try:
            return super().invoke(ctx)
        except ReaderGone:
            raise  # an OSError too, but nothing to report
        except OSError as error:
            raise CommandError(f"ERROR: {error}") from None


@click.group(cls=PythonGroup)
def command() -> None:
    """Submit jobs: N copies of a command, one command for many inputs, or a whole Flux instance."""


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
        )
        return attach(flux, jobid, shown)

    return attached


def _print_id(_flux: Flux, jobid: int) -> int:
    from flux.job.JobID import id_encode

    echo(id_encode(jobid))
    return 0


@command.command(cls=MiniCommand)
@with_options(opts.run_options())
@opts.words("COMMAND...")
def run(words: tuple[str, ...], **values: object) -> int:
    """Run a job and wait for it, with its output here."""
    options = given(values)
    return _dry_run_or(_builder().tasks(options, words), options, _attach(options))


@command.command(cls=MiniCommand)
@with_options(opts.alloc_options())
@opts.words("[COMMAND...]")
def alloc(words: tuple[str, ...], **values: object) -> int:
    """Start a Flux instance as a job and attach to it."""
    options = given(values)
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    return _dry_run_or(_builder().alloc(options, words, interactive), options, _attach(options))


class BatchCommand(MiniCommand):
    """``flux mini batch``, some of whose options may stand in the script (RFC 36)."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the command line; options of the script come before those on it, which win."""
        line = list(args)
        rest = super().parse_args(ctx, args)
        if ctx.resilient_parsing:
            return rest
        script = self._script(ctx)
        words = self._directives(ctx, script)
        if words:
            ctx.params.clear()
            rest = super().parse_args(ctx, [*words, *line])
        ctx.obj = script
        return rest

    @staticmethod
    def _script(ctx: click.Context) -> Script:
        from fluxctl.mini.jobspec import Script, read_script

        try:
            return read_script(ctx.params["words"], ctx.params["wrap"])
        except OSError as error:
            if ctx.params["nslots"] is None:  # of which flux-core complains first
                return Script("", "", [])
            raise CommandError(f"ERROR: {error}") from None

    def _directives(self, ctx: click.Context, script: Script) -> list[str]:
        """Return the words of the script's directives, each line of which has been tried."""
        from fluxctl.mini.directives import parse_directives

        if ctx.params["wrap"] or not ("flux:" in script.text or "FLUX:" in script.text):
            return []
        found = parse_directives(script.text, script.name)
        for directive in found:
            reason = self._refused(ctx, directive.words)
            if reason:
                text = f"argument parsing failed at {script.name} line {directive.line}: {reason}"
                raise CommandError(f"ERROR: {text}")
        return [word for directive in found for word in directive.words]

    def _refused(self, ctx: click.Context, words: list[str]) -> str:
        """Return why words cannot stand in a directive, "" if they can."""
        alone = click.Context(self, ctx.parent, ctx.info_name, **self.context_settings)
        try:
            super().parse_args(alone, list(words))
        except click.UsageError as error:
            return error.format_message()
        except CommandError as error:
            return error.message.splitlines()[-1]
        if alone.params["words"]:
            return f"{alone.params['words'][0]} is no option"
        return "--wrap is for a command, not for a script" if alone.params["wrap"] else ""


@command.command(cls=BatchCommand)
@with_options(opts.batch_options())
@opts.words("[SCRIPT...]")
@click.pass_obj
def batch(script: Script, /, words: tuple[str, ...], **values: object) -> int:
    """Submit a script that runs in a Flux instance of its own.

    Its options may stand in the script too, in comments: "# flux: -N2 -n4"; those on the command
    line count more.
    """
    del words  # have been read
    options = given(values)
    return _dry_run_or(_builder().batch(options, script), options, _print_id)


@command.command(cls=MiniCommand)
@with_options(opts.submit_options())
@opts.words("COMMAND...")
def submit(words: tuple[str, ...], **values: object) -> int:
    """Submit a job and print its id."""
    from fluxctl.mini.copies import copies, ids_of_copies

    options = given(values)
    ids = ids_of_copies(options)
    found = copies(_builder(), options, words, ids)
    if options.dry_run:
        echo(next(found).jobspec.dumps())
        return 0
    return _run_jobs(found, options, 1 if ids is None else len(ids))


@command.command(cls=MiniCommand)
@with_options(opts.bulksubmit_options())
@opts.words("COMMAND...")
def bulksubmit(words: tuple[str, ...], **values: object) -> int:
    """Submit one job for each input, given after ::: or read from stdin."""
    from fluxctl.mini.bulk import BulkSubmission
    from fluxctl.mini.copies import bulk_copies

    options = given(values)
    bulk = BulkSubmission(options, words, on_terminal=_announce_terminal)
    if options.dry_run:
        for line in bulk.describe():
            echo(f"flux-mini: {line}")
        return 0
    return _run_jobs(bulk_copies(bulk), options, bulk.total, 0 if bulk.reads_stdin else None)


def _announce_terminal() -> None:
    echo("flux-mini: waiting for inputs on stdin, one a line; end with Ctrl-D", err=True)


def _progress_bar(options: MiniOptions, total: int | None) -> ProgressBar | None:
    if not options.progress:
        return None
    if not sys.stdout.isatty():
        echo("flux-mini: WARNING: stdout is not a tty. Ignoring --progress option", err=True)
        return None
    from flux.progress import ProgressBar

    before = "Submitting {total} jobs: "
    if options.wait or options.watch:
        before = "PD:{pending} R:{running} CD:{complete} F:{failed} "
    after = "{percent:5.1f}% {elapsed.dt}"
    if options.jps:
        after = "{percent:5.1f}% {jps:4.1f} job/s"
    return ProgressBar(
        total=total or 1,
        before=before,
        after=after,
        pending=0,
        running=0,
        complete=0,
        failed=0,
        jps=0.0,
    )


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
        verbose=options.verbose,
        stdin=stdin,
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


EXAMPLES = """
# Run two copies of a program and see their output
flux mini run -n2 --label-io hostname
# Submit a job with a time limit and a file for its output
flux mini submit -t 10m --output='job-{{id}}.out' sleep 0
# Submit a hundred jobs, each with its number, and wait for all of them
flux mini submit --cc=1-100 --wait --quiet sh -c 'exit 0'
# Submit a job for each of some files
flux mini bulksubmit --wait gzip -k {} ::: notes.txt report.sh
# Submit a script that gets an instance of its own, whose output goes to a file
flux mini batch -n1 --output=batch.out --wrap flux mini run hostname
# Run a program in an instance of its own, and wait for its end
flux mini alloc -n1 flux resource list
"""
