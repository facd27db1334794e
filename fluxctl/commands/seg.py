"""``flux seg``: tell a GRAM job manager what happens to jobs."""

from __future__ import annotations

import sys
import time

import click

from fluxctl.command import FluxCommand
from fluxctl.errors import CommandError, ReaderGone


@click.command(cls=FluxCommand)
@click.option(
    "-s",
    "--module",
    default="flux",
    show_default=True,
    help="The module that tells of the events: a name, or a path to a Python file.",
)
@click.option(
    "-t",
    "--timestamp",
    metavar="TIMESTAMP",
    help="Begin with the events at this time, in seconds since the epoch.  [default: now]",
)
@click.option(
    "-o",
    "--option",
    "options",
    metavar="KEY=VALUE",
    multiple=True,
    help="An option of the module; may be given several times.",
)
@click.option(
    "-r",
    "--resume",
    metavar="FILE",
    help="Go on after the lines in FILE, which the reader has seen.",
)
@click.option("--no-follow", is_flag=True, help="End after the events up to now.")
def command(
    module: str,
    timestamp: str | None,
    options: tuple[str, ...],
    resume: str | None,
    no_follow: bool,
) -> int:
    """Tell a GRAM job manager what happens to jobs, in the lines of the SEG protocol.

    Each line is 001;TIMESTAMP;JOBID;STATE;EXITCODE, with the states 1 pending, 2 active, 4 failed
    and 8 done, in the order in which things happened. The module flux tells of the jobs of a Flux
    instance; modules for other schedulers are Python files, found by name below the directories of
    FLUX_SEG_PATH.

    Options of the module flux: user=NAME for the jobs of one user, id=FORM for the form of job
    ids, as in flux job id --to, archive=FILE for the archive of jobs, by default that of the
    instance. Guests are told of their own jobs.

    It ends when it gets SIGTERM, or when the pipe that is its standard input or output is closed.
    When the broker goes away it waits for its return.
    """
    from flux.seg.host import SegHost, SegSettings
    from flux.seg.record import read_record, trim

    try:
        if resume is not None:
            trim(resume, sys.stdout.fileno())
        record = None if resume is None else read_record(resume, time.time())
    except OSError as exc:
        raise CommandError(f"{resume}: {exc.strerror or exc}") from None
    settings = SegSettings(
        module=module,
        timestamp=None if timestamp is None else _timestamp(timestamp),
        options=dict(_option(word) for word in options),
        record=record,
        follow=not no_follow,
    )
    sys.stdout.flush()
    try:
        return SegHost(settings, _report).run()
    except BrokenPipeError as exc:
        raise ReaderGone(*exc.args) from None
    except OSError as exc:
        raise CommandError(f"cannot write: {exc.strerror}") from None


def _report(sentence: str) -> None:
    from flux.terminal_text import terminal_line

    sys.stderr.write(f"flux-seg: {terminal_line(sentence)}\n")
    sys.stderr.flush()


def _timestamp(text: str) -> int:
    from flux.seg.protocol import TIME_MAX

    if not (text.isascii() and text.isdecimal()) or int(text[:20]) > TIME_MAX:
        raise CommandError(f"the timestamp is in whole seconds since the epoch, not {text!r}")
    return int(text)


def _option(word: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    if not key or not equals:
        raise CommandError(f"an option is KEY=VALUE, not {word!r}")
    return key, value


EXAMPLES = """
# Tell of the jobs of the last hour; without --no-follow, then of what happens
flux seg -t $(date -d '1 hour ago' +%s) --no-follow
# Keep a log that goes on where it ends, whenever this is run again
flux seg --resume events.log --no-follow >> events.log
# Tell of the jobs of one user, with plain numbers for ids
flux seg -t 0 -o user=$USER -o id=dec --no-follow
"""
