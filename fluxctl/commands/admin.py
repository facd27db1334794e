"""``flux admin``: what the owner of an instance arranges for it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

import click

from flux.terminal_text import terminal_line
from fluxctl.color import Paint, color_option
from fluxctl.command import FluxGroup, echo, handle, python_failure
from fluxctl.errors import CommandError
from fluxctl.json_output import json_option, print_json
from fluxctl.standard_input import read_all

if TYPE_CHECKING:
    from collections.abc import Mapping


@click.group(cls=FluxGroup)
def command() -> None:
    """Administer the local broker."""


@command.command("cleanup-push", context_settings={"allow_interspersed_args": False})
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[COMMAND [ARGS...]]")
def cleanup_push(words: tuple[str, ...]) -> None:
    """Have COMMAND run before the instance ends, after the initial program.

    One word is a line for the shell; several words are a command and its arguments. Without any,
    standard input is read: each line that is not blank is a command.

    What was pushed last is run first, the lines of one input in their own order. All are run,
    whether or not one fails; the exit code of the first that fails becomes that of the instance
    unless the initial program has failed. Output goes where that of the broker goes.
    """
    if words:
        commands = [words[0] if len(words) == 1 else shlex.join(words)]
    else:
        # Bytes that are no text go through as they are, as arguments do.
        lines = read_all("commands, one a line,").decode("utf-8", "surrogateescape").split("\n")
        commands = [line for line in lines if line.strip()]
    with handle() as h:
        try:
            h.rpc("runat.push", {"name": "cleanup", "commands": commands}).get()
        except OSError as exc:
            raise CommandError(f"runat.push: {exc.strerror}") from None


SCRIPTS: Final = ("prolog", "epilog", "housekeeping")
"""Tables of ``[job-manager]`` with a command that runs before or after jobs."""


@command.command("system-scripts")
@click.option(
    "-v",
    "--verbose",
    is_flag=True,
    expose_value=False,
    help="For scripts of today's flux-core: no others than those that are configured run here.",
)
@color_option()
@json_option("Print the tables of the configuration as one JSON object.")
def system_scripts(color: str, as_json: bool) -> None:
    """Show what the configuration has run on the nodes of jobs, before and after them."""
    with handle(python_failure) as h:
        try:
            manager = dict(h.rpc("config.get", {}).get()).get("job-manager") or {}
        except OSError as exc:
            raise CommandError(f"ERROR: {exc.strerror}") from None
    if as_json:
        print_json({name: manager.get(name) for name in SCRIPTS})
        return
    paint = Paint(color)
    for name in SCRIPTS:
        echo("\n".join(_script_lines(name, manager.get(name), paint)))


def _script_lines(name: str, table: Mapping[str, object] | None, paint: Paint) -> list[str]:
    """Return the lines about one script, with an empty one after them."""
    if not table:
        return [f"▸ {name}: {paint('not configured', 'faint')}", ""]
    if name == "housekeeping":
        after = table.get("release-after")
        how = "batch release" if after is None else f"release after {after}"
    else:
        how = f"per-rank={'true' if table.get('per-rank') else 'false'}"
    lines = [f"▸ {name}: {paint('enabled', 'good')} ({terminal_line(how)})"]
    words = table.get("command")
    if isinstance(words, list) and words:
        lines.append(f"  command: {terminal_line(' '.join(map(str, words)))}")
    return [*lines, ""]


EXAMPLES = """
# Have a file removed when the instance ends
flux admin cleanup-push rm -f /tmp/scratch.dat
# Have a line run by the shell, with what it stands for then
flux admin cleanup-push 'echo done at $(date) >>instance.log'
# See which commands run on the nodes of jobs
flux admin system-scripts
"""
