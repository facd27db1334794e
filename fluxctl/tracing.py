"""The options of ``flux module trace`` and ``flux overlay trace``, and following a trace."""

from __future__ import annotations

import errno
import sys
from typing import TYPE_CHECKING, TypedDict

import click

from fluxctl import completions
from fluxctl.color import Paint, color_option
from fluxctl.command import echo
from fluxctl.errors import CommandError
from fluxctl.json_output import json_option, print_json
from fluxctl.trace_lines import TYPES, TraceLines, typemask

if TYPE_CHECKING:
    from flux.core.handle import Flux
    from flux.wire.json import JsonObject
    from fluxctl.option_groups import F


class TraceChoice(TypedDict):
    """The values of the options of a trace."""

    full: bool
    types: str | None
    color: str
    human: bool
    delta: bool
    as_json: bool


def trace_options(function: F) -> F:
    """Give a command the options of a trace."""
    for option in (
        json_option("Print each message as one line of JSON."),
        click.option(
            "-d", "--delta", is_flag=True, help="With --human, show seconds since the last one."
        ),
        click.option("-H", "--human", is_flag=True, help="Show times for people: minute, seconds."),
        color_option("-L"),
        click.option(
            "-t",
            "--type",
            "types",
            metavar="TYPE,...",
            help=f"Show messages of these types only: {', '.join(TYPES)}.",
            shell_complete=completions.word_list(lambda: TYPES),
        ),
        click.option("-f", "--full", is_flag=True, help="Show the payload, if it is JSON."),
    ):
        function = option(function)
    return function


def mask_of(choice: TraceChoice) -> int:
    """Return the mask of the types that are wanted; raises CommandError for a wrong word."""
    try:
        return typemask(choice["types"])
    except ValueError as exc:
        raise CommandError(str(exc)) from None


def follow(h: Flux, topic: str, asked: JsonObject, choice: TraceChoice) -> None:
    """Print the messages of a trace, each when it passes, until the broker ends it; ``asked`` is
    what the request has besides types and payloads.

    Raises CommandError if the broker refuses it.
    """
    from flux.constants import FLUX_RPC_STREAMING

    wanted = {**asked, "typemask": mask_of(choice), "full": choice["full"]}
    shown = TraceLines(Paint(choice["color"]), human=choice["human"], delta=choice["delta"])
    rpc = h.rpc(topic, wanted, flags=FLUX_RPC_STREAMING)
    try:
        while True:
            message: JsonObject = rpc.get()
            if choice["as_json"]:
                print_json(message)
            else:
                for line in shown.lines(message):
                    echo(line, raw=True)
            sys.stdout.flush()
            rpc.reset()
    except OSError as exc:
        if exc.errno != errno.ENODATA:
            raise CommandError(f"{topic}: {exc.strerror}") from None
