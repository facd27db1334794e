"""``flux job purge``."""

from __future__ import annotations

import math

import click

from fluxctl import modern
from fluxctl.command import echo, handle
from fluxctl.errors import CommandError
from fluxctl.job.options import JobCommand, JobIdArguments, parse_duration, parse_id
from fluxctl.option_types import INTEGER, Integer

BATCH_DEFAULT = 50
BATCH_MAX = 1000


@click.command(
    "purge",
    cls=JobCommand,
    synopsis="[--age-limit=FSD] [--num-limit=N] [--batch=COUNT] [--force] [ID ...]",
    help="Purge the oldest inactive jobs",
)
@click.option(
    "--age-limit", metavar="FSD", help="Purge jobs that became inactive beyond age-limit."
)
@click.option(
    "--num-limit",
    type=Integer(0, 0x7FFFFFFF),
    metavar="COUNT",
    help="Purge oldest inactive jobs until COUNT are left.",
)
@click.option("-f", "--force", is_flag=True, help="Perform the irreversible purge.")
@click.option(
    "--batch",
    type=INTEGER,
    default=BATCH_DEFAULT,
    metavar="COUNT",
    help="Limit number of jobs per request (default 50).",
)
@click.argument("args", nargs=-1, cls=JobIdArguments)
@click.pass_context
def purge(
    ctx: click.Context,
    age_limit: str | None,
    num_limit: int | None,
    force: bool,
    batch: int,
    args: tuple[str, ...],
) -> None:
    if not 1 <= batch <= BATCH_MAX:
        raise CommandError(f"purge: batch must be >= 1 and <= {BATCH_MAX}")
    age = None if age_limit is None else _seconds(ctx, age_limit)
    if args and (age is not None or num_limit is not None):
        raise CommandError("purge: job ids and limits exclude one another")
    count = _purge_ids(args, force) if args else _purge_oldest(age, num_limit, batch, force)
    left = int(modern.ask(handle(), "job-manager.stats.get").get("inactive_jobs", 0))
    if force:
        echo(f"purged {count} inactive jobs, {left} remaining")
    else:
        echo(f"use --force to purge {count} of {left} inactive jobs")


def _purge_oldest(age: float | None, num_limit: int | None, batch: int, force: bool) -> int:
    from flux.job.purge import UNLIMITED, purge

    limits = [UNLIMITED if limit is None else limit for limit in (age, num_limit)]
    try:
        return purge(handle(), limits[0], int(limits[1]), batch=batch, force=force)
    except OSError as exc:
        raise CommandError(f"purge: {exc.strerror}") from None


def _seconds(ctx: click.Context, text: str) -> float:
    seconds = parse_duration(ctx, "age-limit", text)
    if math.isinf(seconds):
        raise CommandError("purge: an infinite age limit purges nothing")
    return seconds


def _purge_ids(ids: tuple[str, ...], force: bool) -> int:
    """Purge jobs by id; returns how many.

    Every job is tried; the first error is told in the end.
    """
    from flux.job.purge import purge_id

    first: CommandError | None = None
    count = 0
    for text in ids:
        try:
            purge_id(handle(), parse_id(text), force=force)
            count += 1
        except OSError as exc:
            which = f"{text}: " if len(ids) > 1 else ""
            first = first or CommandError(f"purge: {which}{exc.strerror}")
    if first is not None:
        raise first
    return count
