"""``flux job`` eventlog, wait-event, info."""

from __future__ import annotations

import errno
import sys
from typing import TYPE_CHECKING

import click

from flux.constants import FLUX_JOB_EVENT_WATCH_WAITCREATE
from flux.job.follow import EXEC, INPUT, MAIN, OUTPUT
from flux.terminal_text import terminal_line
from flux.time_text import ISO, time_text
from fluxctl.color import Paint, color_option
from fluxctl.command import echo, handle
from fluxctl.completions import words
from fluxctl.errors import CommandError
from fluxctl.human_times import HumanTimes
from fluxctl.job.options import JobCommand, JobIdArguments, parse_duration, parse_id, usage
from fluxctl.json_output import json_option, print_json
from fluxctl.option_types import COUNT
from fluxctl.suggestions import suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flux.eventlog import Entry
    from flux.job.event import JobEventWatchFuture
    from fluxctl.color import Role

KEYS = (
    "J",
    "R",
    MAIN,
    "jobspec",
    EXEC,
    INPUT,
    OUTPUT,
)
"""What is kept of every job, as ``flux job info`` without keys lists it."""

FORMS = ("text", "json")
TIMES = ("raw", "iso", "offset", "human", "reltime")

SHORT_PATHS = {"exec": EXEC, "input": INPUT, "output": OUTPUT}
"""What ``--path`` takes for these paths, as today's flux-core does."""

_JSON = json_option("Display each event as one line of JSON, as --format=json does")
_COLOR = color_option("-L")
_HUMAN = click.option("-H", "--human", is_flag=True, help="As --format=text --time-format=human")
_FORMAT = click.option(
    "-f",
    "--format",
    "form",
    default="text",
    metavar="FORMAT",
    help="Specify output format: text, json",
    shell_complete=words(lambda: FORMS),
)
_TIME = click.option(
    "-T",
    "--time-format",
    default="raw",
    metavar="FORMAT",
    help="Specify time format: raw, iso, offset",
    shell_complete=words(lambda: TIMES),
)
_PATH = click.option(
    "-p",
    "--path",
    default="eventlog",
    metavar="PATH",
    help='Specify alternate eventlog path suffix (e.g. "guest.exec.eventlog")',
    shell_complete=words(lambda: (MAIN, EXEC, INPUT, OUTPUT)),
)


class EntryFormatter:
    """Turns eventlog lines into output; times with ``offset`` count from the first line, those for
    people (``human``, ``reltime``) from the first one of a minute.
    """

    def __init__(self, form: str, time_format: str, color: str = "never") -> None:
        if form not in FORMS:
            raise CommandError("invalid format type", hint=suggestion(form, FORMS))
        if time_format not in TIMES:
            hint = suggestion(time_format, TIMES)
            raise CommandError("invalid time-format type", hint=hint)
        self.time_format = time_format
        self._json = form == "json"
        self._paint = Paint(color)
        self._start: float | None = None
        self._human = HumanTimes()

    def format(self, line: str, entry: Entry) -> str:
        """Return how an entry is shown: as one line, whatever is in the keys, which may be a
        user's.
        """
        if self._start is None:
            self._start = entry["timestamp"]
        if self._json:
            return terminal_line(line.rstrip("\n"))
        when, name = self.when(entry["timestamp"]), terminal_line(entry["name"])
        rest = [terminal_line(text) for text in _context(entry)]
        role: Role = "bad" if entry["name"] == "exception" else "name"
        return " ".join((self._paint(when, "time"), self._paint(name, role), *rest))

    def entry(self, entry: Entry) -> str:
        """Return how an entry is shown that is not a line of a log."""
        from flux.wire import json

        return self.format(json.dumps_str(entry) if self._json else "", entry)

    def when(self, timestamp: float) -> str:
        """Return the time of an entry in the format that is wanted."""
        if self.time_format == "offset":
            return f"{timestamp - (self._start or 0.0):.6f}"
        if self.time_format == "iso":
            fraction = int((timestamp - int(timestamp)) * 1e6)
            return time_text(timestamp, f"{ISO}.{fraction:06d}Z", utc=True)
        if self.time_format in ("human", "reltime"):
            return self._human.text(timestamp)
        return f"{timestamp:.6f}"


def _formatter(
    form: str, time_format: str, *, human: bool, as_json: bool, color: str
) -> EntryFormatter:
    """Return the formatter that the options ask for."""
    if human:
        form, time_format = "text", "human"
    return EntryFormatter("json" if as_json else form, time_format, color)


def _context(entry: Entry) -> Iterator[str]:
    from flux.wire import json

    for key, value in (entry.get("context") or {}).items():
        yield f"{key}={json.dumps(value).decode()}"


@click.command(
    MAIN,
    cls=JobCommand,
    synopsis="[-f text|json] [-T raw|iso|offset] [-p path] id",
    help="Display eventlog for a job",
)
@_FORMAT
@_TIME
@_HUMAN
@click.option("-F", "--follow", is_flag=True, help="Follow events until the job has ended")
@_PATH
@_JSON
@_COLOR
@click.argument("args", nargs=-1, cls=JobIdArguments)
@click.pass_context
def eventlog(
    ctx: click.Context,
    form: str,
    time_format: str,
    human: bool,
    follow: bool,
    path: str,
    as_json: bool,
    color: str,
    args: tuple[str, ...],
) -> None:
    if len(args) != 1:
        usage(ctx)
    from flux.wire import json

    formatter = _formatter(form, time_format, human=human, as_json=as_json, color=color)
    # Without an option of today's flux-core the path is 0.29's, which knows no short ones.
    jobid, log = parse_id(args[0]), SHORT_PATHS.get(path, path) if human or follow else path
    if follow:
        from flux.job.event import event_watch_async

        watch = event_watch_async(handle(), jobid, log)
        for line, entry in _entries(watch, "", None, _not_found(args[0], path)):
            echo(formatter.format(line, entry), raw=True)
            sys.stdout.flush()
        return
    try:
        answer = handle().rpc("job-info.lookup", {"id": jobid, "keys": [log], "flags": 0}).get()
    except OSError as exc:
        if exc.errno == errno.ENOENT:
            raise _not_found(args[0], path) from None
        raise CommandError(f"flux_job_eventlog_lookup_get: {exc.strerror}") from None
    for line in answer[log].splitlines():
        echo(formatter.format(line, json.loads(line)), raw=True)


def _not_found(id_text: str, path: str) -> CommandError:
    """Return the error for an eventlog that does not exist: a job has its own, whatever else."""
    if path == MAIN:
        return CommandError(f"job {id_text} not found")
    return CommandError(f"eventlog path {path} not found")


@click.command(
    "wait-event",
    cls=JobCommand,
    synopsis="[-f text|json] [-T raw|iso|offset] [-t seconds] [-m key=val] [-c <num>] [-p path] "
    "[-q] [-v] id event",
    help="Wait for an event ",
)
@_FORMAT
@_TIME
@_HUMAN
@click.option("-t", "--timeout", metavar="DURATION", help="timeout after DURATION")
@click.option("-m", "--match-context", "match", metavar="KEY=VAL", help="match key=val in context")
@click.option(
    "-c",
    "--count",
    type=COUNT,
    default=1,
    metavar="COUNT",
    help="required number of matches (default 1)",
)
@click.option("-q", "--quiet", is_flag=True, help="Do not output matched event")
@click.option("-v", "--verbose", is_flag=True, help="Output all events before matched event")
@click.option("-W", "--waitcreate", is_flag=True, help="Wait for the eventlog to be created")
@_PATH
@_JSON
@_COLOR
@click.argument("args", nargs=-1, cls=JobIdArguments)
@click.pass_context
def wait_event(
    ctx: click.Context,
    form: str,
    time_format: str,
    human: bool,
    timeout: str | None,
    match: str | None,
    count: int,
    quiet: bool,
    verbose: bool,
    waitcreate: bool,
    path: str,
    as_json: bool,
    color: str,
    args: tuple[str, ...],
) -> None:
    if len(args) != 2:
        usage(ctx)
    from flux.job.event import event_watch_async

    jobid, name, log = parse_id(args[0]), args[1], SHORT_PATHS.get(path, path)
    formatter = _formatter(form, time_format, human=human, as_json=as_json, color=color)
    wanted = _match(match)
    seconds = None if timeout is None else parse_duration(ctx, "timeout", timeout)
    if count < 1:
        raise CommandError("count must be > 0")
    flags = FLUX_JOB_EVENT_WATCH_WAITCREATE if waitcreate else 0
    watch = event_watch_async(handle(), jobid, log, flags)
    left = count
    for line, entry in _entries(watch, name, seconds, _not_found(args[0], path)):
        text = formatter.format(line, entry)
        matched = entry["name"] == name and (wanted is None or _matches(entry, wanted))
        left -= matched
        if left == 0:
            if not quiet:
                echo(text, raw=True)
            watch.cancel()
            return
        if verbose:
            echo(text, raw=True)
    raise CommandError(f"event '{name}' never received")


def _entries(
    watch: JobEventWatchFuture, name: str, seconds: float | None, not_found: CommandError
) -> Iterator[tuple[str, Entry]]:
    """Yield lines and entries; ``seconds`` is the longest wait for one of them.

    Raises ``not_found`` if there is no such eventlog.
    """
    from flux.wire import json

    while True:
        try:
            if seconds is not None:
                watch.wait_for(seconds)
            line = watch.get_line()
        except OSError as exc:
            if exc.errno == errno.ETIMEDOUT and seconds is not None:
                raise CommandError(f"wait-event timeout on event '{name}'") from None
            if exc.errno == errno.ENOENT:
                raise not_found from None
            raise CommandError(f"flux_job_event_watch_get: {exc.strerror}") from None
        if line is None:
            return
        yield line, json.loads(line)


def _match(text: str | None) -> tuple[str, object] | None:
    if text is None:
        return None
    from flux.wire import json

    key, equals, value = text.partition("=")
    if not equals:
        raise CommandError("must specify a context test as key=value")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _matches(entry: Entry, wanted: tuple[str, object]) -> bool:
    context = entry.get("context") or {}
    return wanted[0] in context and context[wanted[0]] == wanted[1]


@click.command("info", cls=JobCommand, synopsis="id key", help="Display info for a job")
@click.option(
    "-o",
    "--original",
    is_flag=True,
    help='For key "jobspec", show what was submitted',
)
@click.option(
    "-b",
    "--base",
    is_flag=True,
    help='For keys "jobspec" and "R", leave out the updates since then',
)
@json_option("Display one JSON object, with the value of each key")
@click.argument("args", nargs=-1, cls=JobIdArguments, further=words(lambda: KEYS))
@click.pass_context
def info(
    ctx: click.Context, original: bool, base: bool, as_json: bool, args: tuple[str, ...]
) -> None:
    if not args:
        usage(ctx)
    jobid, keys = parse_id(args[0]), list(args[1:])
    if not keys:
        echo("\n".join(("Missing lookup key(s), common keys:", *KEYS)), err=True)
        return
    from flux.job.kvslookup import JobKVSLookup

    wanted = JobKVSLookup(handle(), [jobid], keys, decode=False, original=original, base=base)
    try:
        found = wanted.data()
    except OSError as exc:
        raise CommandError(f"flux_rpc_get_unpack: {exc.strerror}") from None
    if not found:
        raise CommandError(f"job {jobid} id or key not found")
    if as_json:
        print_json({key: _value(key, found[0][key]) for key in keys})
        return
    for key in keys:
        echo(found[0][key])


def _value(key: str, text: str) -> object:
    """Return what a key holds: an eventlog as a list of its events, else JSON, else text."""
    from flux.wire import json

    try:
        if key.rpartition(".")[2] == MAIN or key in (INPUT, OUTPUT):
            return [json.loads(line) for line in text.splitlines()]
        value: object = json.loads(text)
    except ValueError:
        return text
    return value
