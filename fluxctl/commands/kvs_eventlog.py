"""``flux kvs eventlog``: read, extend and wait on RFC 18 event logs (flux-kvs(1))."""

from __future__ import annotations

import errno
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

import click

from flux.terminal_text import terminal_line
from fluxctl.color import PLAIN, Paint, color_option
from fluxctl.command import FluxCommand, FluxGroup, echo, handle
from fluxctl.commands.kvs_options import failing, namespace_option
from fluxctl.completions import kvs_keys
from fluxctl.errors import CommandError
from fluxctl.human_times import HumanTimes
from fluxctl.json_output import json_option
from fluxctl.option_types import COUNT, REAL

if TYPE_CHECKING:
    from collections.abc import Generator

    from flux.core.handle import Flux
    from flux.rpc import RPC


@click.group(cls=FluxGroup)
def eventlog() -> None:
    """Read, extend and wait on event logs."""


_HUMAN = click.option(
    "-H", "--human", is_flag=True, help="Print the minute, and the seconds since its first event."
)
_JSON = json_option("Print each event as one line of JSON, as it is stored.")


def format_event(
    line: str, unformatted: bool, paint: Paint = PLAIN, times: HumanTimes | None = None
) -> str:
    """Return an event as it is shown: as stored, or time, name and context; fit for a terminal.

    Times are seconds since the epoch unless ``times`` makes them those for people.
    """
    if unformatted:
        return terminal_line(line)
    from flux.eventlog import parse
    from flux.wire import json

    event = parse(line)
    seconds, name = event["timestamp"], terminal_line(event["name"])
    when = f"{seconds:.6f}" if times is None else times.text(seconds)
    text = f"{paint(when, 'time')} {paint(name, 'name')}"
    if "context" in event:
        text += " " + terminal_line(json.dumps_str(event["context"]))
    return text


def log_lines(data: bytes) -> list[str]:
    """Return the events of a log, one line each; raises OSError(EINVAL) if the last is not
    whole.
    """
    if data and not data.endswith(b"\n"):
        from flux.wire.errors import os_error

        raise os_error(errno.EINVAL)
    return data.decode("utf-8", "surrogateescape").split("\n")[:-1]


def watch_lines(
    h: Flux, key: str, namespace: str | None, waitcreate: bool, deadline: float | None = None
) -> Generator[str, None, None]:
    """Yield the events of a log, those there are and those that come; raises OSError(ETIMEDOUT) at
    ``deadline``.

    The watch is cancelled when the generator is closed.
    """
    from flux import kvs_rpc
    from flux.kvs_txn import WAITCREATE, WATCH, WATCH_APPEND

    future = kvs_rpc.lookup(
        h, key, WATCH | WATCH_APPEND | (WAITCREATE if waitcreate else 0), namespace
    )
    try:
        while True:
            future.wait_for(-1.0 if deadline is None else max(0.0, deadline - time.monotonic()))
            yield from log_lines(kvs_rpc.value_of(future))
            future.reset()
    except GeneratorExit:
        _cancel(future)
        raise


def _cancel(future: RPC) -> None:
    """End a watch and wait for the confirmation."""
    from flux import kvs_rpc

    kvs_rpc.lookup_cancel(future)
    try:
        while True:
            future.reset()
            future.get()
    except OSError as exc:
        if exc.errno != errno.ENODATA:
            raise


@eventlog.command("get", cls=FluxCommand)
@namespace_option
@click.option("-W", "--waitcreate", is_flag=True, help="Wait for the log to be created.")
@click.option("-w", "--watch", is_flag=True, help="Go on with events as they come.")
@click.option("-c", "--count", type=COUNT, metavar="COUNT", help="With -w, end after COUNT events.")
@click.option("-u", "--unformatted", is_flag=True, help="Print the log as it is stored.")
@_HUMAN
@_JSON
@color_option("-L")
@click.argument("key", shell_complete=kvs_keys)
def get_command(
    key: str,
    namespace: str | None,
    waitcreate: bool,
    watch: bool,
    count: int | None,
    unformatted: bool,
    human: bool,
    as_json: bool,
    color: str,
) -> None:
    """Print the event log KEY."""
    from flux import kvs_rpc
    from flux.kvs_txn import WAITCREATE

    paint, unformatted = Paint(color), unformatted or as_json
    times = HumanTimes() if human else None

    if count is not None and count < 0:
        raise CommandError("count must be >= 0")
    with handle() as h, failing("flux_kvs_lookup_get"):
        if not watch:
            for line in log_lines(
                kvs_rpc.value_of(kvs_rpc.lookup(h, key, WAITCREATE if waitcreate else 0, namespace))
            ):
                echo(format_event(line, unformatted, paint, times), raw=True)
            return
        with closing(watch_lines(h, key, namespace, waitcreate)) as lines:
            for number, line in enumerate(lines, 1):
                echo(format_event(line, unformatted, paint, times), raw=True)
                sys.stdout.flush()
                if count and number >= count:
                    break


@eventlog.command("append", cls=FluxCommand)
@namespace_option
@click.option(
    "-t", "--timestamp", type=REAL, metavar="SECONDS", help="Seconds since the epoch, default now."
)
@click.argument("key", shell_complete=kvs_keys)
@click.argument("name")
@click.argument("context", nargs=-1)
def append_command(
    key: str, name: str, context: tuple[str, ...], namespace: str | None, timestamp: float | None
) -> None:
    """Append an event NAME with an optional JSON object CONTEXT."""
    from flux import kvs_rpc
    from flux.eventlog import encode, entry
    from flux.kvs_txn import Txn
    from flux.wire import json
    from flux.wire.errors import os_error

    try:
        detail = json.loads(" ".join(context)) if context else None
    except ValueError:
        detail = ()
    with handle() as h:
        with failing("eventlog_entry_create"):
            if detail is not None and not isinstance(detail, dict):
                raise os_error(errno.EINVAL)
            line = encode(entry(name, detail, timestamp))
        with failing(key):
            txn = Txn().append(key, line)
        with failing("flux_kvs_commit"):
            kvs_rpc.commit(h, txn, 0, namespace).get()


@eventlog.command("wait-event", cls=FluxCommand)
@namespace_option
@click.option("-t", "--timeout", type=REAL, metavar="SECONDS", help="Fail after SECONDS.")
@click.option("-u", "--unformatted", is_flag=True, help="Print events as they are stored.")
@click.option("-W", "--waitcreate", is_flag=True, help="Wait for the log to be created.")
@click.option("-q", "--quiet", is_flag=True, help="Do not print the event.")
@click.option("-v", "--verbose", is_flag=True, help="Print all events before it, too.")
@_HUMAN
@_JSON
@color_option("-L")
@click.argument("key", shell_complete=kvs_keys)
@click.argument("event")
def wait_event_command(
    key: str,
    event: str,
    namespace: str | None,
    timeout: float | None,
    unformatted: bool,
    human: bool,
    waitcreate: bool,
    quiet: bool,
    verbose: bool,
    as_json: bool,
    color: str,
) -> None:
    """Wait until EVENT is in the event log KEY."""
    from flux.eventlog import parse

    paint, unformatted = Paint(color), unformatted or as_json
    times = HumanTimes() if human else None

    if timeout != timeout:
        raise CommandError("timeout must be a number of seconds")
    deadline = None if timeout is None else time.monotonic() + timeout
    with handle() as h, failing("flux_kvs_lookup_get"):
        try:
            with closing(watch_lines(h, key, namespace, waitcreate, deadline)) as lines:
                for line in lines:
                    found = parse(line)["name"] == event
                    if (verbose or found) and not quiet:
                        echo(format_event(line, unformatted, paint, times), raw=True)
                        sys.stdout.flush()
                    if found:
                        return
        except OSError as exc:
            if exc.errno == errno.ETIMEDOUT:
                raise CommandError(f"wait-event timeout on event '{event}'") from None
            raise
    raise CommandError(f"event '{event}' never received")
