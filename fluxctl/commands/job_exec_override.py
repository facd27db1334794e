"""``flux job-exec-override``: the start and the end of a simulated job, by hand
(docs/todays-commands.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fluxctl.command import handle, python_failure
from fluxctl.completions import job_ids
from fluxctl.errors import CommandError
from fluxctl.job.arguments import JOBID
from fluxctl.option_types import COUNT
from fluxctl.python_style import PythonGroup

if TYPE_CHECKING:
    from flux.job.JobID import JobID

jobid_argument = click.argument("jobid", metavar="JOBID", type=JOBID, shell_complete=job_ids)


@click.group("job-exec-override", cls=PythonGroup)
def command() -> None:
    """Start and end jobs that were submitted with the attribute system.exec.test.override, which
    have no processes.
    """


@command.command("start")
@jobid_argument
def start(jobid: JobID) -> None:
    """Have a job started."""
    _override({"jobid": int(jobid), "event": "start"})


@command.command("finish")
@jobid_argument
@click.argument("status", metavar="STATUS", type=COUNT)
def finish(jobid: JobID, status: int) -> None:
    """Have a job end with a STATUS as wait(2) has it: 256 times the exit code, or a signal."""
    _override({"jobid": int(jobid), "event": "finish", "status": status})


def _override(payload: dict[str, object]) -> None:
    h = handle(python_failure)
    try:
        h.rpc("job-exec.override", payload).get()
    except OSError as exc:
        raise CommandError(f"ERROR: {exc.strerror}") from None


EXAMPLES = """
# A job whose start and end are up to whoever tests
id=$(flux submit --setattr=exec.test.override=1 true); flux job wait-event -q $id alloc
flux job-exec-override start $id && flux job-exec-override finish $id 0
"""
