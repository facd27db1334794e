"""``flux top``: the live dashboard of a Flux instance."""

from __future__ import annotations

import os
import sys

import click

from fluxctl.command import FluxCommand
from fluxctl.errors import CommandError

MOST_TARGETS = 9


@click.command(cls=FluxCommand)
@click.argument("targets", metavar="[TARGET]...", nargs=-1)
@click.option("--read-only", is_flag=True, help="Only look: no cancel, no kill.")
@click.option("--linear", is_flag=True, help="Print changes as lines instead of drawing.")
@click.option(
    "--filter",
    "query",
    metavar="QUERY",
    default="",
    help="Begin with a filter: 'state:running -name:test*'.",
)
@click.option(
    "--sort",
    metavar="COLUMN",
    default="state",
    help="Begin sorted by COLUMN, '-COLUMN' for the other order.",
)
def command(targets: tuple[str, ...], read_only: bool, linear: bool, query: str, sort: str) -> None:
    """Show a Flux instance live: its jobs, how busy it is, its log.

    TARGET is a URI, or the id of a batch or alloc job that is an instance itself; the default is
    the instance FLUX_URI names. Several are shown side by side, each in a tab. Press ? in the
    dashboard for all keys.
    """
    _check(query, sort)
    if len(targets) > MOST_TARGETS:
        raise CommandError(f"{len(targets)} instances: no more than {MOST_TARGETS} have keys")
    uris = [_target_uri(target) for target in targets] or [_default_uri()]
    if linear:
        if len(uris) > 1:
            raise CommandError("--linear prints the changes of one instance")
        _linear(uris[0], query)
        return
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise CommandError("the dashboard needs a terminal; use --linear to print changes as lines")
    if os.environ.get("TERM", "dumb") in ("", "dumb"):
        raise CommandError(
            "this terminal cannot be drawn on (TERM=dumb); use --linear to print changes as lines"
        )
    from fluxctl.uri_forms import reachable
    from tui.app import TopApp
    from tui.feed.live import LiveFeed

    app = TopApp(
        LiveFeed(uris[0]),
        others=[(uri, name_of(target)) for uri, target in zip(uris, targets, strict=False)][1:],
        connect=lambda found: LiveFeed(reachable(found)),
        read_only=read_only,
        query=query,
        sort=sort.lstrip("-"),
        reverse=sort.startswith("-"),
    )
    app.suit(app.console.color_system)
    app.run()
    if app.return_code:
        raise CommandError(code=app.return_code)


def name_of(target: str) -> str:
    """Return what a tab is called after what was typed: ids and short words as they are, nothing
    for a URI, whose host will tell.
    """
    return "" if "://" in target else target


def _check(query: str, sort: str) -> None:
    """Fail before anything is drawn if the filter or the column cannot be understood."""
    from tui.model.columns import BY_NAME
    from tui.model.query import Query, QueryError

    if sort.lstrip("-") not in BY_NAME:
        raise CommandError(f"no column {sort.lstrip('-')}; there are {', '.join(BY_NAME)}")
    try:
        Query.parse(query)
    except QueryError as error:
        raise CommandError(f"--filter: {error}") from None


def _default_uri() -> str:
    uri = os.environ.get("FLUX_URI")
    if not uri:
        raise CommandError(
            "FLUX_URI is not set: name an instance by its URI or by the id of its job, or run "
            "this under flux start"
        )
    return uri


def _target_uri(target: str) -> str:
    """Return the URI of ``target``: itself if it is one, else what the job of that id says its
    instance's is.
    """
    from fluxctl.target import resolve
    from fluxctl.uri_forms import reachable

    return reachable(resolve(target))


def _linear(uri: str, query: str) -> None:
    import asyncio
    import time

    from tui.feed.live import LiveFeed
    from tui.linear import run_linear
    from tui.model.dashboard import Dashboard

    dashboard = Dashboard(time.time)
    dashboard.set_query(query)
    asyncio.run(run_linear(LiveFeed(uri), dashboard, lambda line: print(line, flush=True)))


EXAMPLES = """
# Watch the instance that FLUX_URI names
flux top
# Watch failed jobs only, longest first, without keys that change anything
flux top --read-only --filter=result:failed --sort=-runtime
# Two instances side by side: this one, and the one in a batch job
flux top $FLUX_URI f2kWBq4K
# Write what changes as lines, for a log
flux top --linear
"""
