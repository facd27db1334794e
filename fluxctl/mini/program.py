"""How messages name the running submission command, which has two spellings."""

from __future__ import annotations

from typing import Final

import click

from fluxctl.command import program_name

_MINI: Final = "flux-mini"


def program() -> str:
    """Return what begins the lines of the running command: ``flux-mini``, or ``flux-submit`` and
    its like in today's spelling.
    """
    ctx = click.get_current_context(silent=True)
    return _MINI if ctx is None else program_name(ctx)


def is_todays() -> bool:
    """Whether the running command is one in today's spelling."""
    return program() != _MINI


def reason(error: OSError) -> str:
    """Return what the running command says of a file that it cannot open: with the number of the
    error as flux-core 0.29 does, or as today's, with the name of the file alone.
    """
    if error.filename is None or not is_todays():
        return str(error)
    return f"{error.strerror}: {error.filename!r}"


def warner() -> str:
    """Return what begins warnings of the running command: ``flux`` in today's spelling."""
    return "flux" if is_todays() else _MINI
