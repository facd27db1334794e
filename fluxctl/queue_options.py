"""The options of ``flux queue``'s sub-commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fluxctl import completions

if TYPE_CHECKING:
    from collections.abc import Callable

    from fluxctl.option_groups import F


def _of_queue(*names: str) -> Callable[[F], F]:
    return click.option(
        *names,
        "queue",
        metavar="NAME",
        help="Of the queue NAME only.",
        shell_complete=completions.queues,
    )


queues_option = click.option(
    "-q",
    "--queue",
    "queues",
    metavar="QUEUE,...",
    help="Of these queues only.",
    shell_complete=completions.queue_list,
)
queue_option = _of_queue("--queue")
short_queue_option = _of_queue("-q", "--queue")
brief_option = click.option(
    "-q",
    "brief",
    is_flag=True,
    help="Say nothing; before the name of a queue: turn that one.",
)
long_quiet_option = click.option("--quiet", is_flag=True, help="Say nothing.")
counters_option = click.option(
    "-v", "--verbose", is_flag=True, help="Display the queues' counters, too."
)


def choosing(function: F) -> F:
    """Give a command the options that choose queues, without a short one for one of them."""
    return all_option(queue_option(function))


def choosing_shortly(function: F) -> F:
    """Give a command the options that choose queues."""
    return all_option(short_queue_option(function))


def all_option(function: F) -> F:
    """Give a command the options for all queues, and for how long."""
    for option in (
        click.option(
            "--nocheckpoint", is_flag=True, help="For this run only: a restart does not keep it."
        ),
        click.option("-a", "--all", "every", is_flag=True, help="All queues."),
    ):
        function = option(function)
    return function


message_option = click.option("-m", "--message", metavar="REASON", help="The reason.")
verbose_option = click.option("-v", "--verbose", is_flag=True, help="Tell of all queues.")
