"""The options of ``flux jobs`` that today's flux-core has beside those of 0.29: further conditions,
an order, and the jobs of instances among the jobs (docs/todays-commands.md).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypedDict

import click

from fluxctl import completions
from fluxctl.errors import CommandError
from fluxctl.option_groups import flag_option, text_option
from fluxctl.option_types import COUNT, Integer
from fluxctl.optional_value import OptionalValue
from fluxctl.suggestions import suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from flux.job.info import JobInfo

THREADS_MAX = 64


class Arrangement(TypedDict):
    """The values of the options that say how jobs are shown: ``order`` is None for that of the
    broker, ``width`` for lines of any length, ``level`` for all levels of instances.
    """

    order: str | None
    width: int | None
    recursive: bool
    recurse_all: bool
    level: int | None
    threads: int | None


CONDITIONS = [
    text_option(
        "--since",
        metavar="WHEN",
        text="Jobs that ended after WHEN, too: -FSD, seconds since the epoch, a date and time."
        " Without --filter these and the active ones.",
    ),
    text_option("--name", metavar="NAME", text="List jobs of this name only."),
    text_option(
        "-i",
        "--include",
        metavar="HOSTS|RANKS",
        text="List jobs that have some of these hosts or ranks only.",
        complete=completions.nodes,
    ),
]
"""Which jobs are meant."""

ARRANGEMENT = [
    text_option(
        "--sort",
        "order",
        metavar="KEY,...",
        text="In the order of these fields; of -KEY the greatest first.",
        complete=completions.job_sort_keys,
    ),
    OptionalValue(
        "-w",
        "--width",
        implied="0",
        metavar="[N]",
        text="Cut lines after N characters; without N, or for 0, at the terminal's width.",
        kind=COUNT,
        greedy=True,
    ),
    flag_option("-R", "--recursive", text="List the jobs of instances among them, too."),
    click.Option(
        ["-L", "--level"], metavar="N", type=COUNT, help="With -R, N levels down at most."
    ),
    flag_option("--recurse-all", text="As -R, and into instances of other users, too."),
    click.Option(
        ["--threads"],
        metavar="N",
        type=Integer(0, THREADS_MAX),
        help="With -R, ask N instances at once (0: as many as suits).",
    ),
]
"""How they are shown."""


def moment(text: str, now: float) -> float:
    """Return what ``--since`` means, in seconds since the epoch: ``-FSD`` is so long before
    ``now``, a number these seconds themselves, all else a date and time.

    Raises CommandError if it is none of these, or in the future.
    """
    from datetime import datetime

    from flux.duration import parse_datetime, parse_fsd

    try:
        if text.startswith("-"):
            when = now - parse_fsd(text[1:])
        elif re.fullmatch(r"\d+(\.\d*)?", text):
            when = float(text)
        else:
            when = parse_datetime(text, datetime.fromtimestamp(now)).timestamp()
    except (ValueError, OverflowError):
        raise CommandError(f"ERROR: --since={text} is no date and time") from None
    if when > now:
        raise CommandError(f"ERROR: --since={text} appears to be in the future")
    return when


def constraint_of(targets: str) -> dict[str, object]:
    """Return the constraint of jobs that have some of the hosts or ranks that are typed.

    Raises CommandError if these are neither.
    """
    from flux.hostlist import Hostlist
    from flux.idset import IDset

    try:
        return {"ranks": [str(IDset(targets))]}
    except ValueError:
        pass
    try:
        hosts = str(Hostlist(targets))
    except ValueError:
        raise CommandError(f"ERROR: -i/--include: invalid targets: {targets}") from None
    return {"hostlist": [hosts]}


class Order:
    """An order of jobs: the fields of ``KEY,...``, the greatest first behind a dash.

    Raises CommandError for a field that jobs do not have.
    """

    def __init__(self, keys: str, known: Iterable[str]) -> None:
        known = list(known)
        self._keys: list[tuple[str, bool]] = []
        for word in keys.split(","):
            name = word.strip().removeprefix("-")
            if name not in known:
                hint = suggestion(name, known)
                raise CommandError(f"ERROR: Invalid sort key: {name}", hint=hint)
            self._keys.append((name, word.strip().startswith("-")))

    @property
    def fields(self) -> list[str]:
        """The fields that jobs are compared by."""
        return [name for name, _ in self._keys]

    def __call__(self, jobs: Sequence[JobInfo]) -> list[JobInfo]:
        """Return jobs in this order; those that are alike stay as they are."""
        found = list(jobs)
        for name, backwards in reversed(self._keys):
            found.sort(key=_ranking(name), reverse=backwards)
        return found


def _ranking(name: str) -> Callable[[JobInfo], tuple[int, float, str]]:
    return lambda job: _rank(job, name)


def _rank(job: JobInfo, name: str) -> tuple[int, float, str]:
    """Return what a field is compared by: numbers come before text, nothing before both."""
    value: object = job
    for part in name.split("."):
        value = getattr(value, part)
    if isinstance(value, int | float):
        return 1, float(value), ""
    text = str(value)
    return (2, 0.0, text) if text else (0, 0.0, "")
