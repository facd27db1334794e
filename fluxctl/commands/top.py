"""``flux top``: the live dashboard of a Flux instance."""

from __future__ import annotations

import os
import re
import signal
import sys
from typing import TYPE_CHECKING

import click

from flux.waitstatus import code_of_signal
from fluxctl import completions
from fluxctl.color import choose_color, color_option
from fluxctl.errors import CommandError
from fluxctl.hopeless import refuse_hopeless, refuse_unknown_queue
from fluxctl.option_groups import with_options
from fluxctl.serving import SERVE_OPTIONS, ServingCommand, serve_dashboards
from fluxctl.suggestions import suggestion


def _columns() -> list[str]:
    from tui.model.columns import BY_NAME

    return [*BY_NAME, *(f"-{name}" for name in BY_NAME)]


if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import TextIO

    from tui.app import TopApp
    from tui.model.settings import TopSettings
    from tui.session import Session

MOST_TARGETS = 9
DEFAULT_SORT = "state"


@click.command(cls=ServingCommand)
@click.argument("targets", metavar="[TARGET]...", nargs=-1, shell_complete=completions.uris)
@click.option("--read-only", is_flag=True, help="Only look: no cancel, no kill.")
@click.option("--linear", is_flag=True, help="Print changes as lines instead of drawing.")
@click.option("--json", "as_json", is_flag=True, help="With --linear: an object of JSON a line.")
@click.option(
    "--filter",
    "query",
    metavar="QUERY",
    default="",
    shell_complete=completions.queries,
    help="Begin with a filter: 'state:running -name:test*'.",
)
@click.option(
    "-q",
    "--queue",
    metavar="NAME",
    shell_complete=completions.queues,
    help="Begin with the jobs of the queue NAME.",
)
@click.option(
    "--sort",
    metavar="COLUMN",
    default="",
    shell_complete=completions.words(_columns),
    help="Begin sorted by COLUMN, '-COLUMN' for the other order.",
)
@click.option("--config", metavar="FILE", help="Read the settings from FILE.")
@click.option("--print-config", is_flag=True, help="Print a file of settings, with all defaults.")
@click.option("--check-config", is_flag=True, help="Say what is wrong with the settings.")
@click.option("--print-keys", is_flag=True, help="List all actions, with their keys.")
@click.option(
    "--record",
    metavar="FILE",
    help="Write all that is shown to a new file, compressed if its name ends in .gz.",
)
@click.option(
    "--replay",
    metavar="FILE",
    help="Show a recording instead of an instance, with keys to wind it; - is standard input.",
)
@color_option()
@with_options(SERVE_OPTIONS)
@click.pass_context
def command(
    ctx: click.Context,
    /,
    targets: tuple[str, ...],
    read_only: bool,
    linear: bool,
    as_json: bool,
    query: str,
    queue: str | None,
    sort: str,
    config: str | None,
    print_config: bool,
    check_config: bool,
    print_keys: bool,
    record: str | None,
    replay: str | None,
    color: str,
    serve: int | None,
    **_: object,
) -> None:
    """Show a Flux instance live: its jobs, how busy it is, its log.

    TARGET is a URI, or the id of a batch or alloc job that is an instance itself; the default is
    the instance FLUX_URI names. Several are shown side by side, each in a tab. Press ? in the
    dashboard for all keys.
    """
    if print_config or check_config or print_keys:
        _about_settings(config, print_config, print_keys)
        return
    _check(query, sort)
    query = _within(queue, query)
    choose_color(color)
    if as_json and not linear:
        raise CommandError("--json goes with --linear; flux jobs --json lists jobs")
    if replay is not None:
        _check_replay(targets, linear, record, serve)
        _draw_replay(replay, query, sort, config)
        return
    uris = _uris(targets)
    if queue is not None:
        for uri in uris:
            refuse_unknown_queue(uri, queue)
    if serve is not None:
        for given, what in ((linear, "--linear"), (record, "--record")):
            if given:
                raise CommandError(f"--serve and {what} exclude one another")
        raise CommandError(code=serve_dashboards(ctx))
    if linear:
        if len(uris) > 1:
            raise CommandError("--linear prints the changes of one instance")
        _linear(uris[0], query, record, as_json)
        return
    named = list(zip(uris, map(name_of, targets), strict=False)) or [(uris[0], "")]
    _draw(named, (read_only, query, sort), config, record)


def _draw(
    named: list[tuple[str, str]],
    how: tuple[bool, str, str],
    config: str | None,
    record: str | None,
) -> None:
    """Draw instances, of URIs and names, until the user quits; ``how`` is whether only to look, the
    filter and the order.
    """
    read_only, query, sort = how
    _check_terminal(sys.stdin, sys.stdout, sys.stderr)
    from tui.quick_start import load_asyncio, pause_garbage

    pause_garbage()
    load_asyncio()
    from flux.uri.forms import reachable
    from tui.app import TopApp
    from tui.feed.live import LiveFeed

    settings, problems, path = _settings(config)
    sort = sort or settings.sort or DEFAULT_SORT
    app = TopApp(
        LiveFeed(named[0][0], reachable),
        others=named[1:] + [(tab.uri, tab.name) for tab in settings.instances],
        connect=lambda found: LiveFeed(reachable(found), reachable),
        read_only=read_only or settings.read_only,
        query=query or settings.query,
        sort=sort.removeprefix("-"),
        reverse=sort.startswith("-"),
        settings=settings,
        settings_path=path,
        problems=problems,
    )
    if record is not None:
        _record(app.session, record, app.tell_failure)
    _run(app)


def _run(app: TopApp) -> None:
    from tui.terminal_app import measure_terminal

    measure_terminal()
    app.suit(app.console.color_system)
    app.run()
    if app.return_code:
        raise CommandError(code=app.return_code)


def _check_terminal(*streams: TextIO) -> None:
    """Fail where nothing can be drawn."""
    if not all(stream.isatty() for stream in streams):
        raise CommandError("the dashboard needs a terminal; use --linear to print changes as lines")
    if os.environ.get("TERM", "dumb") in ("", "dumb"):
        raise CommandError(
            "this terminal cannot be drawn on (TERM=dumb); use --linear to print changes as lines"
        )


def _check_replay(
    targets: tuple[str, ...], linear: bool, record: str | None, serve: int | None
) -> None:
    """Fail if something is asked for that a recording does not have."""
    for given, what in (
        (bool(targets), "an instance"),
        (linear, "--linear"),
        (record is not None, "--record"),
        (serve is not None, "--serve"),
    ):
        if given:
            raise CommandError(f"--replay shows a recording on the screen: it takes no {what}")


def _draw_replay(name: str, query: str, sort: str, config: str | None) -> None:
    from tui.app import TopApp
    from tui.recordings import open_replay

    streams = (sys.stdout, sys.stderr) if name == "-" else (sys.stdin, sys.stdout, sys.stderr)
    _check_terminal(*streams)
    if name == "-" and sys.stdin.isatty():
        raise CommandError("--replay -: standard input is the terminal, not a recording")
    try:
        feed = open_replay(name)
    except OSError as error:
        raise CommandError(f"--replay {name}: {error.strerror or error}") from None
    settings, problems, path = _settings(config)
    sort = sort or settings.sort or DEFAULT_SORT
    app = TopApp(
        feed,
        read_only=True,
        query=query or settings.query,
        sort=sort.removeprefix("-"),
        reverse=sort.startswith("-"),
        clock=feed.clock,
        settings=settings,
        settings_path=path,
        problems=problems,
    )
    _run(app)


def _settings(config: str | None) -> tuple[TopSettings, list[str], Path | None]:
    """Return the settings, what is wrong with them, and their file."""
    from tui import settings_file

    if config:
        _refuse_mistakes(config)
    return settings_file.chosen(config)


def _record(session: Session, name: str, failed: Callable[[str], None]) -> None:
    from pathlib import Path

    from tui.recordings import begin

    try:
        begin(session, Path(name), failed)
    except OSError as error:
        raise CommandError(f"--record {name}: {error.strerror or error}") from None


def name_of(target: str) -> str:
    """Return what a tab is called after what was typed: ids and short words as they are, nothing
    for a URI, whose host will tell.
    """
    return "" if "://" in target else target


def _about_settings(config: str | None, defaults: bool, keys: bool) -> None:
    """Print the default settings, the actions, or what is wrong with the settings."""
    if defaults:
        from tui.model.settings_text import DEFAULT_TEXT

        click.echo(DEFAULT_TEXT, nl=False)
        return
    from tui.settings_checks import key_table, mistakes

    if keys:
        click.echo("\n".join(key_table()))
        return
    path, found = mistakes(config)
    for problem in found:
        click.echo(problem, err=True)
    if found:
        raise CommandError(code=1)
    click.echo(f"{path}: nothing is wrong")


def _refuse_mistakes(config: str) -> None:
    """Fail before anything is drawn if there is a mistake in the settings that were asked for."""
    from tui.settings_checks import mistakes

    found = mistakes(config)[1]
    if found:
        more = f" (and {len(found) - 1} more: see --check-config)" if len(found) > 1 else ""
        raise CommandError(found[0] + more)


def _check(query: str, sort: str) -> None:
    """Fail before anything is drawn if the filter or the column cannot be understood."""
    from tui.model.columns import BY_NAME
    from tui.model.query import Query, QueryError

    column = sort.removeprefix("-")
    if column and column not in BY_NAME:
        text = f"no column {column}; there are {', '.join(BY_NAME)}"
        raise CommandError(text, hint=suggestion(column, BY_NAME))
    try:
        Query.parse(query)
    except QueryError as error:
        raise CommandError(f"--filter: {error}") from None


def _within(queue: str | None, query: str) -> str:
    """Return the query of the jobs of ``queue``, if one is given, that ``query`` finds."""
    if queue is None:
        return query
    chosen = f'queue:"{queue}"' if re.search(r"[^\w.-]", queue) else f"queue:{queue}"
    _check(chosen, "")
    return f"{chosen} ({query})" if query.strip() else chosen


def _uris(targets: tuple[str, ...]) -> list[str]:
    """Return the URIs of all targets, by default of FLUX_URI; raises CommandError for one that
    cannot be reached however long it is waited for.
    """
    if len(targets) > MOST_TARGETS:
        raise CommandError(f"{len(targets)} instances: no more than {MOST_TARGETS} have keys")
    uris = [_target_uri(target) for target in targets] or [_default_uri()]
    for uri in uris:
        refuse_hopeless(uri)
    return uris


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
    from flux.uri.forms import reachable
    from fluxctl.target import resolve

    return reachable(resolve(target))


def _linear(uri: str, query: str, record: str | None, as_json: bool) -> None:
    import asyncio
    import time

    from tui.feed.live import LiveFeed
    from tui.linear import run_linear
    from tui.model.dashboard import Dashboard
    from tui.session import Session

    session = Session(LiveFeed(uri), Dashboard(time.time))
    session.dashboard.set_query(query)
    if record is not None:
        _record(session, record, lambda text: print(f"flux-top: {text}", file=sys.stderr))
        # So that what ends it ends the recording in an orderly way.
        signal.signal(signal.SIGTERM, lambda signum, _: sys.exit(code_of_signal(signum)))
    writing = run_linear(
        session.feed, session.dashboard, lambda line: print(line, flush=True), as_json=as_json
    )
    asyncio.run(writing)


EXAMPLES = """
# Watch failed jobs only, longest first, without keys that change anything
flux top --read-only --filter=result:failed --sort=-runtime
# Two instances side by side: this one, and the one in a batch job
flux top $FLUX_URI f2kWBq4K
# Make a file of settings, and look whether what was changed in it is right
mkdir -p ~/.config/flux && flux top --print-config >~/.config/flux/top.toml
flux top --check-config
# Write what changes as objects, a line each, and wait for the first job that fails
flux top --linear --json | jq -n 'first(inputs | select(.state == "failed"))'
# Serve the dashboard, for looking only, to a browser of this machine (or through ssh -L)
flux top --read-only --serve=8765
# Record a night without a terminal, and look at it in the morning
flux top --linear --record night.jsonl.gz >/dev/null
flux top --replay night.jsonl.gz
"""
