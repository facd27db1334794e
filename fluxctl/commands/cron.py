"""``flux cron``: commands at intervals, at dates and on events (flux-cron(1))."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from fluxctl import completions
from fluxctl.command import FluxCommand, FluxGroup, echo
from fluxctl.cron_entry import CronEntry, ago, flatten, read_crontab, shown, took
from fluxctl.cron_request import (
    CronOptions,
    ask,
    ask_entry,
    common_options,
    create_request,
    fail,
    seconds_of,
)
from fluxctl.cron_table import ENTRIES, entry_role, entry_row
from fluxctl.errors import CommandError
from fluxctl.hints import did_you_mean
from fluxctl.json_output import json_option, print_json, print_json_lines
from fluxctl.option_types import COUNT
from fluxctl.standard_input import read_all
from fluxctl.suggestions import suggestion

if TYPE_CHECKING:
    from fluxctl.list_output import ListChoice
from fluxctl.numbers import decimal

_HELP = """\
Usage: flux-cron [OPTIONS] COMMAND [OPTIONS...]
Schedule and manage cron-like jobs in a flux session
Options:
  -h, --help                 Display this message.
Supported commands:
 help         Display this help or help for a command
 interval     run COMMAND once every INTERVAL
 event        run COMMAND on every event matching TOPIC
 tab          Schedule cron jobs using crontab(5) format
 at           Schedule a cron job at a given date and time
 dump         Dump values from a cron entry
 list         List registered and stopped flux-cron jobs
 delete       Delete flux cron entries
 stop         Stop a flux cron job from executing
 start        Start a stopped flux cron job
 sync         Query and modify sync-on-event behavior for flux-cron"""


class _CronCommand(FluxCommand):
    """A sub-command whose words after the first argument belong to the command it schedules."""

    allow_interspersed_args = False


class _CronGroup(FluxGroup):
    command_class = _CronCommand

    def unknown(self, ctx: click.Context, word: str) -> CommandError:
        """Return the failure of a word that does not name a sub-command."""
        hint = did_you_mean(word, lambda: self.list_commands(ctx))
        return CommandError(f"Unknown COMMAND `{word}'{hint}", 1)


@click.group(cls=_CronGroup, name="cron", short_help="Schedule tasks on timers and events")
def command() -> None:
    """Run commands at intervals, at dates and on events."""


@command.command("help")
@click.argument("topic", required=False)
@click.pass_context
def help_command(ctx: click.Context, topic: str | None) -> None:
    """Show this help, or that of one command."""
    if topic is None:
        echo(_HELP, err=True)
        return
    found = command.get_command(ctx, topic)
    if found is None:
        hint = did_you_mean(topic, lambda: command.list_commands(ctx))
        raise CommandError(f"Unknown COMMAND `{topic}'{hint}", 1)
    echo(found.get_help(click.Context(found, info_name=f"flux-cron {topic}")), err=True)


@command.command("interval")
@click.option("-N", "-n", "--name", metavar="STRING", help="Name of the entry.")
@click.option(
    "-a", "--after", metavar="TIME", help="Run the first time after TIME instead of the interval."
)
@click.option("-c", "--count", metavar="N", type=COUNT, help="Run N times, then stop.")
@common_options
@click.argument("interval", metavar="INTERVAL", required=False)
@click.argument("words", metavar="COMMAND...", nargs=-1)
def interval(
    interval: str | None, after: str | None, words: tuple[str, ...], **common: Unpack[CronOptions]
) -> None:
    """Run COMMAND every INTERVAL: seconds, or with a unit s, m, h, d.

    The words of COMMAND are joined by blanks and given to a shell; quote what the shell shall not
    take apart once more: flux cron interval 1h "sh -c 'date; uptime'". An INTERVAL of 0 with
    --after runs it once.
    """
    if interval is None:
        fail("interval", "INTERVAL and COMMAND required")
    seconds = seconds_of("interval", interval)
    if not words:
        fail("interval", "INTERVAL and COMMAND required")
    args: dict[str, object] = {"interval": seconds}
    if after is not None:
        args["after"] = seconds_of("interval", after)
    entry = ask_entry(
        "interval", "create", create_request("interval", "interval", args, words, common)
    )
    echo(f"interval: cron-{entry['id']} created")


@command.command("event")
@click.option("-N", "--name", metavar="STRING", help="Name of the entry.")
@click.option("-n", "--nth", metavar="N", type=COUNT, help="Run after each N events.")
@click.option("-c", "--count", metavar="N", type=COUNT, help="Run N times, then stop.")
@click.option("-a", "--after", metavar="N", type=COUNT, help="Run the first time after N events.")
@click.option("-i", "--min-interval", metavar="T", help="Run at most once in T seconds.")
@common_options
@click.argument("topic", metavar="TOPIC", required=False)
@click.argument("words", metavar="COMMAND...", nargs=-1)
def event(
    topic: str | None,
    words: tuple[str, ...],
    nth: int | None,
    after: int | None,
    min_interval: str | None,
    **common: Unpack[CronOptions],
) -> None:
    """Run COMMAND on every event whose topic starts with TOPIC.

    The words of COMMAND are joined by blanks and given to a shell.
    """
    if topic is None or not words:
        fail("event", "TOPIC and COMMAND required")
    args: dict[str, object] = {}
    if nth is not None:
        args["nth"] = nth
    args["topic"] = topic
    if after is not None:
        args["after"] = after
    if min_interval is not None:
        args["min_interval"] = seconds_of("event", min_interval)
    entry = ask_entry("event", "create", create_request("event", "event", args, words, common))
    echo(f"event: cron-{entry['id']} created")


def _scheduled(sub: str, entry: CronEntry) -> None:
    when = entry["typedata"]["next_wakeup"]
    echo(
        f"{sub}: cron-{entry['id']} created: "
        f"scheduled in {when - time.time():.3f}s at {time.ctime(when)}"
    )


@command.command("tab")
@common_options
@click.argument("file", required=False)
def tab(file: str | None, **common: Unpack[CronOptions]) -> int:
    """Make an entry of each crontab line of FILE, or stdin.

    A line has minute, hour, day of month, month (0-11), day of week (0-6) and the command. Months
    and weekdays may be names, jan-mar or Mon,Wed. All lines are checked before the first entry is
    created; if one is bad, none is.
    """
    try:
        if file in (None, "-"):
            data = read_all("the crontab lines")
        else:
            data = Path(file or "").read_bytes()
    except OSError as exc:
        fail("tab", f"{file}: {exc.strerror}")
    wanted, bad = read_crontab(data.decode("utf-8", "surrogateescape"))
    for message in bad:
        echo(f"flux-cron tab: {message}", err=True)
    if bad:
        return 1
    created: list[CronEntry] = []
    try:
        for args, line in wanted:
            request = create_request("datetime", "tab", args, (line,), common)
            created.append(ask_entry("tab", "create", request))
    except CommandError:
        for entry in created:
            ask("tab", "delete", {"id": entry["id"]})
        raise
    for entry in created:
        _scheduled("tab", entry)
    return 0


def _parse_date(text: str) -> float:
    """Return the time that date(1) understands ``text`` as; its own message explains a failure."""
    import subprocess

    sys.stdout.flush()
    done = subprocess.run(
        ["date", f"--date={text}", "+%s"], stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        fail("at", "Failed to parse datetime arg")
    return float(done.stdout)


@command.command("at")
@common_options
@click.argument("string", metavar="STRING", required=False)
@click.argument("words", metavar="COMMAND...", nargs=-1)
def at(string: str | None, words: tuple[str, ...], **common: Unpack[CronOptions]) -> None:
    """Run COMMAND once, at the time that date(1) reads in STRING.

    The words of COMMAND are joined by blanks and given to a shell.
    """
    if string is None or not words:
        fail("at", "DATETIME and COMMAND required")
    due = time.localtime(_parse_date(string))
    args = {
        "minute": due.tm_min,
        "month": due.tm_mon - 1,
        "year": due.tm_year - 1900,
        "mday": due.tm_mday,
        "hour": due.tm_hour,
        "second": due.tm_sec,
    }
    _scheduled(
        "at",
        ask_entry(
            "at", "create", create_request("datetime", "at", args, words, {**common, "count": 1})
        ),
    )


@command.command("list", cls=FluxCommand)
@ENTRIES.options()
def list_entries(**choice: Unpack[ListChoice]) -> None:
    """List the entries, how often they ran and how it went.

    In a format next and last are seconds since the epoch: {next!D}.
    """
    ENTRIES.format_of(choice)  # before there is a connection
    entries: list[CronEntry] = ask("list", "list", {})["entries"]
    if choice["as_json"]:
        print_json_lines(entries)
        return
    now = time.time()
    ENTRIES.show((entry_row(entry, now) for entry in entries), choice, entry_role)


def _id(sub: str, text: str | None) -> int:
    number = decimal((text or "").removeprefix("cron-"), 2**63 - 1)
    if number is None:
        fail(sub, "Required argument ID missing or invalid")
    return number


@command.command("delete", cls=FluxCommand)
@click.option("-k", "--kill", is_flag=True, help="Also kill a command that is running.")
@click.argument("ids", metavar="ID...", nargs=-1, shell_complete=completions.cron_entries)
def delete(kill: bool, ids: tuple[str, ...]) -> None:
    """Remove entries."""
    for number in [_id("delete", text) for text in ids or (None,)]:
        entry = ask_entry("delete", "delete", {"id": number, "kill": kill})
        lasted = next(filter(None, map(took, entry["tasks"])), None)
        since = ago(time.time() - entry["stats"]["lastrun"])
        history = "never ran"
        if entry["tasks"] and entry["tasks"][0]["state"] == "Running":
            history = f"still running. Started {since}"
        elif lasted is not None:
            history = f"last ran {since} for {lasted}"
        echo(f"Removed cron-{number}: {entry['name']} {history}")


@command.command("stop", cls=FluxCommand)
@click.argument("ids", metavar="ID...", nargs=-1, shell_complete=completions.cron_entries)
def stop(ids: tuple[str, ...]) -> None:
    """Stop entries from being run; they stay in the list."""
    for number in [_id("stop", text) for text in ids or (None,)]:
        ask("stop", "stop", {"id": number})
        echo(f"Stopped cron-{number}")


@command.command("start", cls=FluxCommand)
@click.argument("ids", metavar="ID...", nargs=-1, shell_complete=completions.cron_entries)
def start(ids: tuple[str, ...]) -> None:
    """Start stopped entries."""
    for number in [_id("start", text) for text in ids or (None,)]:
        ask("start", "start", {"id": number})
        echo(f"Started cron-{number}")


@command.command("sync", cls=FluxCommand)
@click.option(
    "-e",
    "--epsilon",
    metavar="DELAY",
    help="Do not put off tasks due within DELAY after the event.",
)
@click.option("-d", "--disable", is_flag=True, help="Run tasks when they are due.")
@json_option()
@click.argument("topic", required=False)
def sync(topic: str | None, epsilon: str | None, disable: bool, as_json: bool) -> None:
    """Show or set the event that tasks are put off to."""
    payload: dict[str, object] = {}
    if epsilon is not None:
        payload["sync_epsilon"] = seconds_of("sync", epsilon)
    if topic is not None:
        payload["topic"] = topic
    if disable:
        payload["disable"] = True
    answer = ask("sync", "sync", payload)
    if as_json:
        print_json(answer)
        return
    if answer.get("sync_disabled"):
        echo("sync: sync disabled.")
    else:
        echo(f'sync: sync to event "{answer["sync_event"]}" epsilon={answer["sync_epsilon"]:.3f}s.')


@command.command("dump", cls=FluxCommand)
@click.option("-k", "--key", metavar="KEY", help="Print the value of KEY only.")
@json_option()
@click.argument("number", metavar="ID", required=False, shell_complete=completions.cron_entries)
def dump(number: str | None, key: str | None, as_json: bool) -> None:
    """Print everything about an entry."""
    wanted = _id("dump", number)
    entry = next((one for one in ask("dump", "list", {})["entries"] if one["id"] == wanted), None)
    if entry is None:
        fail("dump", f"cron-{wanted}: No such cron entry found")
    values = dict(flatten(entry))
    if as_json and (key is None or key in values):
        print_json(entry if key is None else values[key])
    elif key is None:
        for name, value in values.items():
            echo(f"{name} = " + shown(value, '"'))
    elif key in values:
        echo(shown(values[key]))
    else:
        text = f"flux-cron dump: cron-{wanted}: {key}: No such key"
        raise CommandError(text, bare=True, hint=suggestion(key, values))


EXAMPLES = """
# Write the time to the log every ten minutes, and look how it went
flux cron interval --name=clock 10m date
flux cron list
# Back up the key-value store each night at half past three
echo '30 3 * * * flux dump -q backup.tgz' | flux cron tab
# Run a script once, tomorrow
flux cron at 'tomorrow 8:00' ./report.sh
# Stop an entry, start it again, remove it
flux cron stop 1
flux cron start 1
flux cron delete 1
"""
