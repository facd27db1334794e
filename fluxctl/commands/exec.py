"""``flux exec``: run a command on broker ranks (flux-exec(1))."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING, NoReturn

import click

from fluxctl import background, completions, exec_targets
from fluxctl.command import FluxCommand, current_directory, handle
from fluxctl.errors import CommandError
from fluxctl.exec_run import RemoteRun
from fluxctl.json_output import json_option

if TYPE_CHECKING:
    from flux.core.handle import Flux

USAGE = """\
Usage: flux-exec [OPTIONS]...
  -h, --help             Display this message.
  -r, --rank=IDSET       Specify target ranks.  Default is "all"
  -x, --exclude=IDSET    Exclude ranks from target.
      --bg               Run process in background and exit
      --waitable         Process remains a zombie until exit status is collected
      --attach           Attach to a running background process (arg is pid or
                         label)
      --label=LABEL      Set a remote process label.
  -d, --dir=PATH         Set the working directory to PATH
  -l, --label-io         Label lines of output with the source RANK
  -n, --noinput          Redirect stdin from /dev/null
  -v, --verbose          Run with more verbosity.
  -q, --quiet            Suppress extraneous output.
      --with-imp         Run args under 'flux-imp run'
  -j, --jobid=JOBID      Set target ranks to nodes assigned to JOBID and
                         service name to job shell exec service
"""


@click.command(
    cls=FluxCommand,
    name="exec",
    short_help="execute processes across flux ranks",
    context_settings={"allow_interspersed_args": False},
)
@click.option(
    "-r",
    "--rank",
    metavar="IDSET",
    default="all",
    help='Specify target ranks.  Default is "all"',
    shell_complete=completions.ranks,
)
@click.option(
    "-x",
    "--exclude",
    metavar="IDSET",
    help="Exclude ranks from target.",
    shell_complete=completions.ranks,
)
@click.option("-d", "--dir", "directory", metavar="PATH", help="Set the working directory to PATH")
@click.option("-l", "--label-io", is_flag=True, help="Label lines of output with the source RANK")
@click.option("-n", "--noinput", is_flag=True, help="Redirect stdin from /dev/null")
@click.option("-v", "--verbose", is_flag=True, help="Run with more verbosity.")
@click.option(
    "-q", "--quiet", is_flag=True, help="Do not tell how processes ended; with --bg, nor their ids."
)
@click.option("--bg", is_flag=True, help="Leave the processes in the background (flux-sproc(1)).")
@click.option("--waitable", is_flag=True, help="With --bg, keep their end for flux sproc wait.")
@click.option("--label", metavar="LABEL", help="A name for the processes (flux-sproc(1)).")
@click.option("--attach", is_flag=True, help="Follow processes of --bg: COMMAND is a pid or label.")
@click.option(
    "-j",
    "--jobid",
    metavar="ID",
    shell_complete=completions.job_ids,
    help="Run beside the tasks of a running job; --rank counts its ranks from 0.",
)
@click.option("--with-imp", is_flag=True, help="Run COMMAND by the IMP, as 'flux-imp run' does.")
@json_option("Print each piece of output and each exit code as one line of JSON.")
@click.argument("command_line", metavar="COMMAND...", nargs=-1, type=click.UNPROCESSED)
def command(
    rank: str,
    exclude: str | None,
    directory: str | None,
    label_io: bool,
    noinput: bool,
    verbose: bool,
    quiet: bool,
    bg: bool,
    waitable: bool,
    label: str | None,
    attach: bool,
    jobid: str | None,
    with_imp: bool,
    as_json: bool,
    command_line: tuple[str, ...],
) -> NoReturn:
    """Run COMMAND on broker ranks, as a child of each broker; with --jobid on those of a job, to
    end with it at the latest.

    The exit status is the largest of the commands' exit codes, 128 plus the signal for a killed
    one, 68 for a rank that does not exist or was lost, 127 when there is no such program.
    """
    words = list(command_line)
    background.check(words, bg=bg, waitable=waitable, attach=attach)
    if not words:
        sys.stderr.write(USAGE)
        raise CommandError("", 1)
    h = handle()
    if jobid is None:
        targets = exec_targets.of_instance(h, rank, exclude)
    else:
        targets = exec_targets.of_job(h, jobid, rank, exclude)
    if with_imp and not attach:
        words = [_imp(h), "run", *words]
    cwd = directory or current_directory()
    service = targets.service
    if bg:
        code = background.start(
            h,
            words,
            targets.ranks,
            cwd,
            service=service,
            label=label,
            waitable=waitable,
            quiet=quiet,
            as_json=as_json,
        )
        sys.exit(code)
    if attach:
        places = targets.ranks.expand()
        if words[0].isdecimal() and len(places) > 1:
            text = "--attach by pid requires a single target rank (use --rank)"
            raise CommandError(text, 1)
        sys.exit(background.Attached(h, words[0], places, service=service, label_io=label_io).run())
    session = RemoteRun(
        h,
        words,
        targets,
        label=label,
        label_io=label_io,
        noinput=noinput,
        verbose=verbose,
        quiet=quiet,
        as_json=as_json,
    )
    sys.exit(session.run(cwd))


def _imp(h: Flux) -> str:
    """Return the program that the instance starts other users' jobs with."""
    path = (h.rpc("config.get").get().get("exec") or {}).get("imp")
    if not isinstance(path, str):
        raise CommandError(
            f"--with-imp: exec.imp path not found in config: {os.strerror(errno.ENOENT)}", 1
        )
    return path


EXAMPLES = """
# Ask every node for its name
flux exec hostname
# Look at two ranks, with the rank before each line of output
flux exec -l -r 0-1 uptime
# Run a script from the working directory of another user's choice
flux exec -d /tmp sh -c 'ls | wc -l'
"""
