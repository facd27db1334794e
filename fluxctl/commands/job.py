"""``flux job``: housekeeping of jobs (flux-job(1)).

The sub-commands are in fluxctl.job, imported when used.
"""

from __future__ import annotations

import importlib
import sys
from typing import NoReturn

import click

from fluxctl.command import FluxGroup, echo, examples_text, program_name
from fluxctl.errors import CommandError
from fluxctl.job.options import option_lines
from fluxctl.suggestions import suggestion

#: name -> (module, attribute, summary), in the order of the usage text
SUBCOMMANDS: dict[str, tuple[str, str, str]] = {
    "list": ("listing", "list_jobs", "List jobs"),
    "list-inactive": ("listing", "list_inactive", "List Inactive jobs"),
    "list-ids": ("listing", "list_ids", "List job(s) by id"),
    "urgency": ("control", "urgency", "Set job urgency (0-31, HOLD, EXPEDITE, DEFAULT)"),
    "cancel": ("control", "cancel", "Cancel a job"),
    "cancelall": ("control", "cancelall", "Cancel multiple jobs"),
    "raise": ("control", "raise_command", "Raise exception for job"),
    "raiseall": ("control", "raiseall", "Raise an exception on multiple jobs."),
    "kill": ("control", "kill", "Send signal to running job"),
    "killall": ("control", "killall", "Send signal to multiple running jobs"),
    "attach": ("attach", "attach", "Interactively attach to job"),
    "status": ("results", "status", "Wait for job(s) to complete and exit with largest exit code"),
    "submit": ("submit", "submit", "Run job"),
    "id": ("listing", "id_command", "Convert jobid(s) to another form"),
    "eventlog": ("events", "eventlog", "Display eventlog for a job"),
    "wait-event": ("events", "wait_event", "Wait for an event "),
    "info": ("events", "info", "Display info for a job"),
    "stats": ("listing", "stats", "Get current job stats"),
    "namespace": ("listing", "namespace", "Convert job ids to job guest kvs namespace names"),
    "wait": ("results", "wait", "Wait for job(s) to complete."),
    "annotate": ("control", "annotate", "Annotate job with key and value"),
    "memo": ("memo", "memo", "Post an RFC 21 memo to a job"),
    "purge": ("purge", "purge", "Purge the oldest inactive jobs"),
    "last": ("recent", "last", "List my most recently submitted job id(s)"),
    "timeleft": ("recent", "timeleft", "Find remaining runtime for job or enclosing instance"),
    "taskmap": ("taskmap", "taskmap", "Utility function for working with job task maps"),
    "hostpids": ("hostpids", "hostpids", "Print host:pid pairs for tasks in JOBID"),
}
UNCOMMON = frozenset(("memo", "purge", "last", "timeleft", "taskmap", "hostpids"))
"""Newer than the usage text of flux-core 0.29, which stays as it was recorded."""


class JobGroup(FluxGroup):
    """The group; a missing or unknown sub-command gets the usage text, as with flux-core."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the sub-commands."""
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a sub-command."""
        entry = SUBCOMMANDS.get(cmd_name)
        if entry is None:
            return None
        command: click.Command = getattr(
            importlib.import_module(f"fluxctl.job.{entry[0]}"), entry[1]
        )
        return command

    def get_help(self, ctx: click.Context) -> str:
        """Return the usage text and the examples."""
        return f"{self.usage_text(ctx)}\n{examples_text(ctx)}".rstrip("\n")

    def usage_text(self, ctx: click.Context) -> str:
        """Return the usage text."""
        name = program_name(ctx)
        lines = [
            f"Usage: {name} [OPTIONS] COMMAND ARGS",
            *option_lines([("  -h, --help", "Display this message.")]),
        ]
        lines += ["", f"Common commands from {name}:"]
        common = {name: entry for name, entry in SUBCOMMANDS.items() if name not in UNCOMMON}
        lines += [f"   {command:<15} {summary}" for command, (_, _, summary) in common.items()]
        return "\n".join(lines)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:
            self._usage(ctx)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in SUBCOMMANDS and not ctx.resilient_parsing:
            hint = suggestion(args[0], SUBCOMMANDS)
            self._usage(ctx, f"unknown sub-command `{args[0]}'" if hint else "", hint)
        return super().resolve_command(ctx, args)

    def _usage(self, ctx: click.Context, sentence: str = "", hint: str = "") -> NoReturn:
        sys.stdout.flush()
        echo(self.usage_text(ctx), err=True)
        raise CommandError(sentence, 1, hint=hint)


@click.command("job", cls=JobGroup)
def command() -> None:
    """Job Housekeeping Tool"""


EXAMPLES = """
# Submit a job, wait for its end and take over its exit code
flux job attach $(flux mini submit echo hello)
# Cancel a job, with a note
flux job cancel $(flux mini submit sleep 600) no longer needed
# Wait until a job has got its resources
flux job wait-event --timeout=30 $(flux mini submit true) alloc
# Show what happened to a job, in seconds since it was submitted
flux job eventlog --time-format=offset $(flux mini submit true)
# Note down on a job what it is for, in its eventlog and its annotations
flux job memo $(flux submit --urgency=hold true) project=night
# Print a job id, however it is spelled, in decimal
flux job id --to=dec f1
"""
