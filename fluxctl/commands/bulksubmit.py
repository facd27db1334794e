"""``flux bulksubmit``: ``flux mini bulksubmit`` in today's spelling (docs/todays-commands.md)."""

from __future__ import annotations

import click

from fluxctl.mini import actions
from fluxctl.mini import todays_options as opts
from fluxctl.mini.click_options import words
from fluxctl.mini.commands import MiniCommand
from fluxctl.mini.options import given
from fluxctl.option_groups import with_options


@click.command("bulksubmit", cls=MiniCommand)
@with_options(opts.bulksubmit_options())
@words("COMMAND...")
def command(words: tuple[str, ...], **values: object) -> int:
    """Submit one job for each input, given after ::: or read from stdin."""
    return actions.bulksubmit(given(values, todays=True), words)


EXAMPLES = """
# Submit a job for each of some files
flux bulksubmit --wait gzip -kf {} ::: notes.txt report.sh
# See what would be submitted
flux bulksubmit --dry-run echo {0} {1} ::: a b ::: 1 2
"""
