"""What ``flux pgrep`` and ``flux pkill`` share: their options, and the search."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypedDict

import click

from flux.job.state_names import ALL_STATES
from fluxctl import completions
from fluxctl.errors import CommandError
from fluxctl.option_types import COUNT
from fluxctl.queue_options import queues_option

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flux.core.handle import Flux
    from flux.job.grep import JobPattern
    from flux.job.info import JobInfo
    from fluxctl.option_groups import F

NOTHING_FOUND = 1
WRONG_EXPRESSION = 2


class JobSearch(TypedDict):
    """Among which jobs to look, at how many of them at most, 0 for all, and how many to find, None
    for all.
    """

    all_users: bool
    user: str | None
    filters: str | None
    queues: str | None
    count: int | None
    max_entries: int


def search_options(function: F) -> F:
    """Give a command the options that say where to look."""
    for option in (
        click.option(
            "--max-entries",
            metavar="N",
            type=COUNT,
            default=0,
            help="Look at N jobs at most, the newest (default 0: all).",
        ),
        click.option("-c", "--count", metavar="N", type=COUNT, help="The first N matches only."),
        queues_option,
        click.option(
            "-f",
            "--filter",
            "filters",
            metavar="STATE|RESULT",
            help="With these states or results only (default pending,running).",
            shell_complete=completions.job_filters,
        ),
        click.option(
            "-u",
            "--user",
            metavar="USER",
            help="Of a user name or id, or of all.",
            shell_complete=completions.users,
        ),
        click.option("-A", "all_users", is_flag=True, help="Of all users."),
    ):
        function = option(function)
    return function


def pattern_of(expressions: Sequence[str]) -> JobPattern:
    """Return what the arguments mean. Raises CommandError for what makes no sense."""
    from flux.job.grep import parse_pattern

    try:
        return parse_pattern(expressions)
    except ValueError as exc:
        raise CommandError(f"ERROR: expression error: {exc}", WRONG_EXPRESSION) from None


def found(
    h: Flux, pattern: JobPattern, search: JobSearch, attrs: Sequence[str], all_states: bool = False
) -> Iterator[JobInfo]:
    """Yield the jobs that match, in the order of ``flux jobs``, with some attributes.

    Raises CommandError for an option that makes no sense, or if jobs cannot be listed.
    """
    left = search["count"]
    if left is not None and left < 0:
        raise CommandError(f"ERROR: --count must not be negative: {left}")
    if left == 0:
        return
    try:
        for page in _pages(h, search, attrs, all_states):
            for job in page:
                if pattern.matches(int(job.id), str(job.name)):
                    yield job
                    if left is not None:
                        left -= 1
                        if left == 0:
                            return
    except OSError as exc:
        raise CommandError(f"ERROR: {exc.strerror}") from None


def _pages(
    h: Flux, search: JobSearch, attrs: Sequence[str], all_states: bool
) -> Iterator[list[JobInfo]]:
    from flux.job.list import JobList

    filters = ALL_STATES if all_states else search["filters"]
    if filters is None:
        filters = "pending,running"
    if not all(filters.split(",")):
        raise CommandError(f"ERROR: Invalid filter specified: {filters}")
    user: str | int = os.getuid() if search["user"] is None else search["user"]
    queues = None if search["queues"] is None else search["queues"].split(",")
    try:
        query = JobList(
            h,
            list(dict.fromkeys([*attrs, "name"])),
            filters.split(","),
            user="all" if search["all_users"] else user,
            max_entries=search["max_entries"],
            queues=queues,
        )
    except ValueError as exc:
        text = str(exc)
        if text == f"there is no user {search['user']}":
            text = f"Invalid user {search['user']} specified"
        raise CommandError(f"ERROR: {text}") from None
    return query.pages()
