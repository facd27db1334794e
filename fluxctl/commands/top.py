"""``flux top``: the live dashboard of a Flux instance."""

from __future__ import annotations

import os
import sys

import click

from fluxctl import completions
from fluxctl.errors import CommandError
from fluxctl.hints import suggestion
from fluxctl.option_groups import with_options
from fluxctl.serving import SERVE_OPTIONS, ServingCommand, serve_dashboards


def _columns() -> list[str]:
    from tui.model.columns import BY_NAME

    return [*BY_NAME, *(f"-{name}" for name in BY_NAME)]


MOST_TARGETS = 9


@click.command(cls=ServingCommand)
@click.argument("targets", metavar="[TARGET]...", nargs=-1, shell_complete=completions.uris)
@click.option("--read-only", is_flag=True, help="Only look: no cancel, no kill.")
@click.option("--linear", is_flag=True, help="Print changes as lines instead of drawing.")
@click.option(
    "--filter",
    "query",
    metavar="QUERY",
    default="",
    shell_complete=completions.queries,
    help="Begin with a filter: 'state:running -name:test*'.",
)
@click.option(
    "--sort",
    metavar="COLUMN",
    default="state",
    shell_complete=completions.words(_columns),
    help="Begin sorted by COLUMN, '-COLUMN' for the other order.",
)
@with_options(SERVE_OPTIONS)
@click.pass_context
def command(
    ctx: click.Context,
    /,
    targets: tuple[str, ...],
    read_only: bool,
    linear: bool,
    query: str,
    sort: str,
    serve: int | None,
    **_: object,
) -> None:
    """Show a Flux instance live: its jobs, how busy it is, its log.

    TARGET is a URI, or the id of a batch or alloc job that is an instance itself; the default is
    the instance FLUX_URI names. Several are shown side by side, each in a tab. Press ? in the
    dashboard for all keys.
    """
    _check(query, sort)
    if len(targets) > MOST_TARGETS:
        raise CommandError(f"{len(targets)} instances: no more than {MOST_TARGETS} have keys")
    uris = [_target_uri(target) for target in targets] or [_default_uri()]
    if serve is not None:
        if linear:
            raise CommandError("--serve and --linear exclude one another")
        raise CommandError(code=serve_dashboards(ctx))
    if linear:
        if len(uris) > 1:
            raise CommandError("--linear prints the changes of one instance")
        _linear(uris[0], query)
        return
    _draw(uris, targets, read_only=read_only, query=query, sort=sort)


def _draw(
    uris: list[str], targets: tuple[str, ...], *, read_only: bool, query: str, sort: str
) -> None:
    """Draw until the user quits."""
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise CommandError("the dashboard needs a terminal; use --linear to print changes as lines")
    if os.environ.get("TERM", "dumb") in ("", "dumb"):
        raise CommandError(
            "this terminal cannot be drawn on (TERM=dumb); use --linear to print changes as lines"
        )
    from fluxctl.uri_forms import reachable
    from tui.app import TopApp
    from tui.feed.live import LiveFeed
    from tui.terminal_app import measure_terminal
    from tui.widgets import palette

    measure_terminal()
    app = TopApp(
        LiveFeed(uris[0], reachable),
        others=[(uri, name_of(target)) for uri, target in zip(uris, targets, strict=False)][1:],
        connect=lambda found: LiveFeed(reachable(found), reachable),
        read_only=read_only,
        query=query,
        sort=sort.lstrip("-"),
        reverse=sort.startswith("-"),
    )
    palette.suit(app.console.color_system)
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
        text = f"no column {sort.lstrip('-')}; there are {', '.join(BY_NAME)}"
        raise CommandError(text, hint=suggestion(sort.lstrip("-"), BY_NAME))
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
# Serve the dashboard, for looking only, to a browser of this machine (or through ssh -L)
flux top --read-only --serve=8765
"""
