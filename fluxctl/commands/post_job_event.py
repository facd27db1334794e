"""``flux post-job-event``: an event that the owner of an instance adds to the history of a job
(docs/todays-commands.md).
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import click

from flux.job.JobID import JobID
from flux.job.options.values import parse_value
from fluxctl import completions
from fluxctl.command import handle, python_failure
from fluxctl.errors import CommandError
from fluxctl.python_style import PythonCommand

if TYPE_CHECKING:
    from flux.wire.json import JsonObject


@click.command(
    "post-job-event", cls=PythonCommand, usage="flux post-job-event [-h] id name [KEY=VALUE...]"
)
@click.argument("jobid", metavar="id", shell_complete=completions.job_ids)
@click.argument("name", metavar="name")
@click.argument("context", metavar="[KEY=VALUE...]", nargs=-1)
def command(jobid: str, name: str, context: tuple[str, ...]) -> None:
    """Add the event name to the eventlog of a job, with a context of keys and values.

    A VALUE that is JSON is taken as such, any other as text.
    """
    try:
        payload: JsonObject = {"id": int(JobID(jobid)), "name": name}
    except ValueError as exc:
        raise CommandError(f"ERROR: {exc}") from None
    if context:
        payload["context"] = dict(map(_item, context))
    h = handle(python_failure)
    try:
        h.rpc("job-manager.post-event.post", payload).get()
    except OSError as exc:
        gone = exc.errno == errno.ENOENT
        reason = f"No such job {jobid}" if gone else exc.strerror or str(exc)
        raise CommandError(f"ERROR: {reason}") from None


def _item(word: str) -> tuple[str, object]:
    key, given, value = word.partition("=")
    if not given or not key:
        raise CommandError(f"ERROR: Missing required value for key {key}")
    return key, parse_value(value)


EXAMPLES = """
# Note in the history of a job what a script has found
id=$(flux mini submit sleep inf); flux post-job-event $id checked by=night-script errors=0
flux job cancel $id
"""
