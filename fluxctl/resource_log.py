"""``flux resource eventlog`` and ``acquire-mute``: what happened to the resources, and silence
towards the scheduler.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from typing import TYPE_CHECKING, Final

import click

from fluxctl import completions
from fluxctl.color import color_option
from fluxctl.command import echo, handle, python_failure
from fluxctl.completions import words
from fluxctl.errors import CommandError
from fluxctl.job.events import FORMS, TIMES, EntryFormatter
from fluxctl.json_output import json_option
from fluxctl.option_types import duration
from fluxctl.python_style import PythonCommand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flux.core.handle import Flux
    from flux.eventlog import Entry
    from flux.idset import IDset

PLACES: Final = ("idset", "ranks")
"""Keys of an event's context that name ranks."""


def _failure(text: object) -> CommandError:
    return CommandError(f"ERROR: {text}", 1)


class ResourceEntries(EntryFormatter):
    """Turns entries into output; offsets are as wide as those of flux-core."""

    def when(self, timestamp: float) -> str:
        """Return the time of an entry."""
        if self.time_format == "offset":
            return f"{super().when(timestamp):>15}"
        return super().when(timestamp)


def entries(h: Flux, *, follow: bool, seconds: float | None) -> Iterator[Entry]:
    """Yield the entries of the log: those of the past, and with ``follow`` those to come, for
    ``seconds`` at most.

    Raises OSError: ETIMEDOUT when the time is over.
    """
    from flux.constants import FLUX_RPC_STREAMING

    deadline = None if seconds is None else time.monotonic() + seconds
    rpc = h.rpc("resource.journal", {}, nodeid=0, flags=FLUX_RPC_STREAMING)
    while True:
        left = -1.0 if deadline is None else max(deadline - time.monotonic(), 1e-3)
        try:
            events: list[Entry] = rpc.wait_for(left).get()["events"]
        except OSError as exc:
            if exc.errno == errno.ENODATA:
                return
            raise
        if not events and not follow:  # the past is told
            return
        yield from events
        rpc.reset()


def matcher(event: str | None, context: str | None) -> Callable[[Entry], bool]:
    """Return the test of whether an entry is the one called ``event``, with a ``context`` like
    KEY=VAL, where VAL is text or JSON; raises CommandError for another one.
    """
    if context is not None and event is None:
        raise _failure("--match-context says what the event of --wait must have")
    if context is None:
        return lambda entry: entry["name"] == event
    key, equals, value = context.partition("=")
    if not equals:
        raise _failure(f"invalid KEY=VAL argument: '{context}' (missing '=')")
    meant: list[object] = [value]
    from flux.wire import json

    with contextlib.suppress(ValueError):
        meant.append(json.loads(value))

    def matches(entry: Entry) -> bool:
        found = entry.get("context") or {}
        return entry["name"] == event and key in found and found[key] in meant

    return matches


def concerns(entry: Entry, ranks: IDset) -> bool:
    """Whether an entry names one of ``ranks``."""
    from flux.idset import IDset

    context = entry.get("context") or {}
    texts = [str(context[key]) for key in PLACES if context.get(key)]
    try:
        return any(IDset(text).intersect(ranks) for text in texts)
    except ValueError:
        return False


def _ranks(h: Flux, targets: str) -> IDset:
    """Return the ranks that ``targets`` names, an idset or hosts; raises CommandError."""
    from flux.hostlist import Hostlist
    from flux.idset import IDset

    try:
        if targets.strip("[]")[:1].isdigit():
            return IDset(targets)
        wanted = list(Hostlist(targets))
    except ValueError:
        raise _failure(f"TARGETS must be a valid idset or hostlist: '{targets}'") from None
    execution = h.rpc("resource.status", nodeid=0).get()["R"]["execution"]
    ranks: dict[str, list[int]] = {}
    for rank, host in enumerate(Hostlist(",".join(execution["nodelist"]))):
        ranks.setdefault(host, []).append(rank)
    for host in wanted:
        if host not in ranks:
            raise _failure(f"host '{host}' not found")
    return IDset([rank for host in wanted for rank in ranks[host]])


@click.command("eventlog", cls=PythonCommand)
@click.option(
    "-f",
    "--format",
    "form",
    type=click.Choice(FORMS),
    default="text",
    help="Print text or JSON.",
)
@click.option(
    "-T",
    "--time-format",
    type=click.Choice(TIMES),
    default="raw",
    help="Show times as seconds since 1970 (raw), as dates (iso), as seconds since the first event"
    " (offset), or as minutes and seconds (human, reltime).",
)
@click.option("-H", "--human", is_flag=True, help="As --time-format=human.")
@color_option("-L")
@click.option("-F", "--follow", is_flag=True, help="Go on with events as they come.")
@click.option(
    "-t", "--timeout", metavar="TIME", help="With --follow or --wait, fail when TIME has passed."
)
@click.option(
    "-w",
    "--wait",
    "event",
    metavar="EVENT",
    help="Show events until there is EVENT.",
    shell_complete=words(lambda: ("online", "offline", "drain", "undrain", "resource-define")),
)
@click.option(
    "-m", "--match-context", "match", metavar="KEY=VAL", help="With --wait, EVENT must have it."
)
@click.option(
    "-i",
    "--include",
    metavar="TARGETS",
    help="Show events that name one of these ranks or hosts only.",
    shell_complete=completions.nodes,
)
@json_option("Print each event as one line of JSON, as --format=json does.")
def eventlog(
    form: str,
    time_format: str,
    human: bool,
    color: str,
    follow: bool,
    timeout: str | None,
    event: str | None,
    match: str | None,
    include: str | None,
    as_json: bool,
) -> None:
    """Show what happened to the resources: who came and went, what was drained and why."""
    seconds = None if timeout is None else duration(timeout, f"ERROR: invalid time: {timeout}")
    wanted = matcher(event, match)
    shown = ResourceEntries("json" if as_json else form, "human" if human else time_format, color)
    goes_on = follow or event is not None
    h = handle(python_failure)
    try:
        ranks = None if include is None else _ranks(h, include)
        for entry in entries(h, follow=goes_on, seconds=seconds if goes_on else None):
            if ranks is None or concerns(entry, ranks):
                echo(shown.entry(entry), raw=True)
                sys.stdout.flush()
            if event is not None and wanted(entry):
                return
    except OSError as exc:
        if isinstance(exc, BrokenPipeError):
            raise
        number = exc.errno or 0
        name = errno.errorcode.get(number, str(number))
        text = os.strerror(number) if number == errno.ETIMEDOUT else exc.strerror
        raise _failure(f"{name}: {text}") from None


@click.command("acquire-mute", cls=PythonCommand)
def acquire_mute() -> None:
    """Tell the scheduler no more of resources that come and go, as before all of them go.

    One that is loaded afterwards is told again.
    """
    try:
        handle(python_failure).rpc("resource.acquire-mute", nodeid=0).get()
    except OSError as exc:
        raise _failure(f"[Errno {exc.errno}] {exc.strerror}") from None
