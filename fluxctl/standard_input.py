"""Reading standard input, which a person at a terminal is told of: else the command would seem to
hang.
"""

from __future__ import annotations

import sys

import click

from fluxctl.command import talk


def announce(what: str) -> None:
    """Say on stderr that ``what`` is waited for on stdin, if that is a terminal."""
    if sys.stdin.isatty():
        talk(click.get_current_context(), f"waiting for {what} on stdin; end with Ctrl-D")
        sys.stderr.flush()


def read_all(what: str) -> bytes:
    """Return all of stdin, as bytes; ``what`` it has is told as in `announce`."""
    announce(what)
    return sys.stdin.buffer.read()


def read_text(what: str) -> str:
    """Return all of stdin, as text; ``what`` it has is told as in `announce`."""
    announce(what)
    return sys.stdin.read()
