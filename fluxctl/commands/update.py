"""``flux update``: change a job after its submission (flux-update(1))."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from fluxctl.command import echo, handle, python_failure
from fluxctl.completions import job_ids
from fluxctl.errors import CommandError, ReaderGone
from fluxctl.job.arguments import JOBID
from fluxctl.python_style import PythonCommand

if TYPE_CHECKING:
    from flux.core.handle import Flux
    from flux.job import JobID


class UpdateCommand(PythonCommand):
    """What fails is reported as ``flux-update: ERROR: reason``."""

    def invoke(self, ctx: click.Context) -> object:
        """Run; errors of the broker end with their text."""
        try:
            return super().invoke(ctx)
        except ReaderGone:
            raise  # an OSError too, but nothing to report
        except OSError as error:
            from flux.job.submit import message_and_reason

            lines, reason = message_and_reason(error)
            for line in lines:
                echo(f"flux-update: ERROR: {line}", err=True)
            raise CommandError(f"ERROR: {reason.strerror or error}") from None


@click.command(
    cls=UpdateCommand, usage="flux-update [-h] [-n] [-v] [--wait] JOBID KEY=VALUE [KEY=VALUE ...]"
)
@click.option(
    "-n", "--dry-run", is_flag=True, help="Change nothing: print what would be asked for, in JSON."
)
@click.option("-v", "--verbose", is_flag=True, help="Say what has been changed.")
@click.option(
    "--wait", "waits", is_flag=True, help="Return when the change is in the job's eventlog."
)
@click.argument("jobid", metavar="JOBID", type=JOBID, shell_complete=job_ids)
@click.argument("words", metavar="KEY=VALUE", nargs=-1, required=True)
def command(
    jobid: JobID, words: tuple[str, ...], dry_run: bool, verbose: bool, waits: bool
) -> None:
    """Change attributes of a job that waits or runs.

    A KEY is the path of a member of the jobspec, with periods between its parts. One that does
    not begin with attributes., tasks. or resources. is a member of attributes.system, and name
    stands for attributes.system.job.name. A VALUE is JSON, or else a string.

    duration is in Flux standard duration (RFC 23); +FSD and -FSD add to the time limit that the job
    has, and take away from it. All changes are made or none.
    """
    from flux.wire import json

    with handle(python_failure) as h:
        updates = Updates(h, jobid, words)
        if dry_run:
            import json as standard

            echo(standard.dumps(updates.values, ensure_ascii=False))
            return
        before = updates.events_so_far() if waits else 0
        updates.send()
        if waits:
            updates.wait(before)
    if verbose:
        sys.stdout.flush()
        for key, value in updates.values.items():
            shown = value if isinstance(value, str) else json.dumps_str(value)
            echo(f"flux-update: INFO: updated {key} to {shown}", err=True)


class Updates:
    """The changes of a job that the words KEY=VALUE ask for; ``values`` has them by whole keys."""

    def __init__(self, handle: Flux, jobid: JobID, words: tuple[str, ...]) -> None:
        from flux.job.updates import DURATION, full_key

        self._handle = handle
        self._jobid = jobid
        self.values: dict[str, object] = {}
        for word in words:
            name, _, text = word.partition("=")
            key = full_key(name)
            self.values[key] = self._duration(text) if key == DURATION else _value(text)

    def _duration(self, text: str) -> float:
        """Return a time limit in seconds, 0 for none; raises CommandError."""
        from math import isinf

        sign, number = (text[0], text[1:]) if text[:1] in ("+", "-") else ("", text)
        seconds = _fsd(number)
        if sign:
            return self._changed(sign, number, seconds)
        return 0.0 if isinf(seconds) else seconds

    def _changed(self, sign: str, text: str, by: float) -> float:
        """Return the time limit that the job has, and more or less."""
        from flux.duration import fsd

        now, name = self._duration_now(), self._jobid.f58
        if not now:
            raise CommandError(
                f"ERROR: duration for {name} is unlimited, can't update by {sign}{text}"
            )
        after = now + by if sign == "+" else now - by
        if after <= 0:
            raise CommandError(
                f"ERROR: current duration for {name} ({fsd(now)}) cannot be reduced by {text}"
            )
        return after if after < float("inf") else 0.0

    def _duration_now(self) -> float:
        from flux.job.describe import time_limit
        from flux.job.kvslookup import job_kvs_lookup

        found = job_kvs_lookup(self._handle, self._jobid)
        if found is None:
            raise CommandError(f"ERROR: jobid {self._jobid.f58} does not exist")
        return time_limit(found["jobspec"]) or 0.0

    def send(self) -> None:
        """Ask for the changes and show what plugins say about them; raises OSError if they are
        refused.
        """
        from flux.job.notes import update_async
        from flux.job.submit import message_of

        answer = update_async(self._handle, self._jobid, self.values).get()
        for line in message_of(answer).splitlines():
            echo(f"flux-update: {line}", err=True)

    def events_so_far(self) -> int:
        """Return how many events the job has had."""
        payload = {"id": int(self._jobid), "keys": ["eventlog"], "flags": 0}
        answer = self._handle.rpc("job-info.lookup", payload).get()
        return len(answer["eventlog"].splitlines())

    def wait(self, before: int) -> None:
        """Return when the eventlog has an update behind its first ``before`` events, or ends."""
        from flux.job.event import event_watch
        from flux.job.updates import JOBSPEC_UPDATE

        for number, event in enumerate(event_watch(self._handle, self._jobid)):
            if number >= before and event.name == JOBSPEC_UPDATE:
                return


def _fsd(text: str) -> float:
    from flux.duration import parse_fsd

    try:
        return parse_fsd(text)
    except ValueError as exc:
        raise CommandError(f"ERROR: {exc}") from None


def _value(text: str) -> object:
    """Return a value that somebody has typed: JSON, or the text itself."""
    from flux.wire import json

    try:
        value: object = json.loads(text)
    except ValueError:
        return text
    return value


EXAMPLES = """
# Submit a job, and give it half an hour more
flux update $(flux mini submit -t 5m sleep 600) duration=+30m
# Call a job that waits by another name, and give it two hours in all
flux update $(flux mini submit --urgency=hold true) name=probe duration=2h
# See what would be asked for
flux update --dry-run $(flux mini submit -t 5m true) duration=1h comment="needs more time"
"""
