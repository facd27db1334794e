"""How messages name the running submission command, which has two spellings."""

from __future__ import annotations

import click

from fluxctl.command import program_name


def program() -> str:
    """Return what begins the lines of the running command: ``flux-mini``, or ``flux-submit`` and
    its like in today's spelling.
    """
    ctx = click.get_current_context(silent=True)
    return "flux-mini" if ctx is None else program_name(ctx)
