"""``flux submit``: ``flux mini submit`` in today's spelling (docs/todays-commands.md)."""

from __future__ import annotations

import click

from fluxctl.mini import actions
from fluxctl.mini import todays_options as opts
from fluxctl.mini.click_options import words
from fluxctl.mini.commands import MiniCommand
from fluxctl.mini.options import given
from fluxctl.option_groups import with_options


@click.command("submit", cls=MiniCommand)
@with_options(opts.submit_options())
@words("COMMAND...")
def command(words: tuple[str, ...], **values: object) -> int:
    """Submit a job and print its id."""
    return actions.submit(given(values, todays=True), words)


EXAMPLES = """
# Submit a job with a time limit of ten minutes and a file for its output
flux submit -t 10 --output='job-{{id}}.out' sleep 0
# Submit a hundred jobs and wait until each has started
flux submit --cc=1-100 --wait-event=start --quiet true
"""
