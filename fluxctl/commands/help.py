"""``flux help``: the manual page of a sub-command, or the list of them (flux(1))."""

from __future__ import annotations

import os
import sys

import click

from fluxctl.command import FluxCommand, echo
from fluxctl.completions import words
from fluxctl.errors import CommandError
from fluxctl.table import COMMANDS


@click.command(cls=FluxCommand)
@click.argument("topic", required=False, shell_complete=words(lambda: sorted(COMMANDS)))
@click.argument("words", nargs=-1, metavar="[SUB-COMMAND...]")
def command(topic: str | None, words: tuple[str, ...]) -> None:
    """Show the manual page of a sub-command, or the list of the common ones.

    The page flux-TOPIC is shown by man(1), for a TOPIC that begins with flux_ the page of that
    name. With the name of a sub-command after it, its options are shown.
    """
    from fluxctl.main import usage

    if topic is None:
        sys.stderr.write(usage())
        return
    if not words:
        _become_man(topic)
    _show_options(topic, words)


def _become_man(topic: str) -> None:
    """Run man(1); returns if there is no such program."""
    page = topic if topic == "flux" or topic.startswith("flux_") else f"flux-{topic}"
    sys.stdout.flush()
    try:
        os.execvp("man", ["man", "--", page])
    except ValueError:
        raise CommandError("flux: the name of the topic is empty", bare=True) from None
    except FileNotFoundError:
        return
    except OSError as exc:
        raise CommandError(f"flux: man: {exc.strerror}", bare=True) from None


def _show_options(topic: str, words: tuple[str, ...]) -> None:

    if topic not in COMMANDS:
        raise CommandError(f"flux: no manual page for `{topic}'", bare=True)
    ctx = _context(COMMANDS[topic].load(), f"flux {topic}")
    for word in words:
        group = ctx.command
        target = group.get_command(ctx, word) if isinstance(group, click.Group) else None
        if target is None:
            raise CommandError(f"flux: no manual page for `{' '.join((topic, *words))}'", bare=True)
        ctx = _context(target, word, ctx)
    echo(ctx.get_help())


def _context(
    target: click.Command, name: str, parent: click.Context | None = None
) -> click.Context:
    return click.Context(target, info_name=name, parent=parent, **target.context_settings)


EXAMPLES = """
# Read the manual page of flux mini
flux help mini
# See the options of one of its sub-commands
flux help mini submit
"""
