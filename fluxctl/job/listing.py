"""``flux job`` list, list-inactive, list-ids, stats, id, namespace."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from typing import TYPE_CHECKING

import click

from flux.job.attributes import JOB_ATTRIBUTES
from fluxctl.command import echo, handle
from fluxctl.completions import job_states, users, words
from fluxctl.errors import CommandError, ReaderGone
from fluxctl.job.options import (
    JobCommand,
    JobIdArguments,
    parse_id,
    parse_states,
    parse_userid,
    usage,
)
from fluxctl.json_output import LINES, always_json, json_option, print_json
from fluxctl.option_types import COUNT, REAL
from fluxctl.standard_input import announce
from fluxctl.suggestions import suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flux.wire.json import JsonObject

ENCODINGS = ("dec", "hex", "kvs", "dothex", "words", "f58", "f58plain", "emoji")
COUNTS = ("job_states", "failed", "canceled", "timeout")
"""What ``flux job stats`` prints of what the service counts."""
DEFAULT_STATES = "pending,running"


def _show(jobs: list[dict[str, object]]) -> None:
    import json

    for job in jobs:
        echo(json.dumps(job, ensure_ascii=False))


@click.command("list", cls=JobCommand, synopsis="[OPTIONS]", help="List jobs")
@click.option("-c", "--count", type=COUNT, default=1000, metavar="N", help="Limit output to N jobs")
@click.option(
    "-s",
    "--states",
    metavar="STATES",
    help="List jobs in specific states",
    shell_complete=job_states,
)
@click.option(
    "-u",
    "--user",
    metavar="USER",
    help='Limit output to specific user. Specify "all" for all users.',
    shell_complete=users,
)
@click.option("-a", "--all-user", is_flag=True, help="List all jobs of a user, regardless of state")
@click.option(
    "-A",
    "--all",
    "everything",
    is_flag=True,
    help="List all jobs of all users, regardless of state",
)
@always_json
@click.argument("args", nargs=-1)
@click.pass_context
def list_jobs(
    ctx: click.Context,
    count: int,
    states: str | None,
    user: str | None,
    all_user: bool,
    everything: bool,
    args: tuple[str, ...],
) -> None:
    if args:
        usage(ctx)
    from flux.job.state_names import LISTED_STATES
    from flux.wire.message import USERID_UNKNOWN

    mask = LISTED_STATES if all_user or everything else parse_states(states or DEFAULT_STATES)
    payload: dict[str, object] = {
        "max_entries": count,
        "attrs": JOB_ATTRIBUTES,
        "userid": -1 if everything else parse_userid(user),
        "states": mask,
        "results": 0,
    }
    if payload["userid"] == -1:
        payload["userid"] = USERID_UNKNOWN
    _check_positive("flux_job_list", count)
    with _refused_as("flux_job_list"):
        _show_pages(payload)


@contextlib.contextmanager
def _refused_as(function: str) -> Iterator[None]:
    """Tell errors of the broker as flux-core's ``function`` does."""
    try:
        yield
    except ReaderGone:
        raise
    except OSError as exc:
        raise CommandError(f"{function}: {exc.strerror}") from None


def _show_pages(payload: dict[str, object], topic: str = "job-list.list") -> None:
    """Print the jobs of a list as they come; raises OSError."""
    from flux.job.list import list_pages

    for page in list_pages(handle(), payload, topic):
        _show(page)


@click.command("list-inactive", cls=JobCommand, synopsis="[OPTIONS]", help="List Inactive jobs")
@click.option("-c", "--count", type=COUNT, default=1000, metavar="N", help="Limit output to N jobs")
@click.option(
    "-s",
    "--since",
    type=REAL,
    default=0.0,
    metavar="T",
    help="Limit output to jobs that ended after timestamp T",
)
@click.option("-n", "--name", metavar="NAME", help="Limit output to jobs with specific name")
@always_json
@click.argument("args", nargs=-1)
@click.pass_context
def list_inactive(
    ctx: click.Context, count: int, since: float, name: str | None, args: tuple[str, ...]
) -> None:
    if args:
        usage(ctx)
    if since != since:
        raise CommandError("since must be a timestamp")
    _check_positive("flux_job_list_inactive", count, since)
    payload: dict[str, object] = {"max_entries": count, "since": since, "attrs": JOB_ATTRIBUTES}
    if name is not None:
        payload["name"] = name
    from flux.wire.errors import may_be_unknown

    with _refused_as("flux_job_list_inactive"):
        try:
            _show_pages(payload, "job-list.list-inactive")
        except OSError as exc:
            if not may_be_unknown(exc.errno):
                raise
            _show_pages(_ended_of_today(count, since, name))


def _ended_of_today(count: int, since: float, name: str | None) -> dict[str, object]:
    """Return a request for jobs that have ended as today's brokers know it."""
    from flux.constants import FLUX_JOB_STATE_INACTIVE, FLUX_USERID_UNKNOWN
    from flux.job.list_request import condition_of, list_request

    ended, named = FLUX_JOB_STATE_INACTIVE, condition_of(name, None)
    asked = list_request(count, FLUX_USERID_UNKNOWN, ended, 0, None, since, named)
    return {**asked, "attrs": JOB_ATTRIBUTES}


def _check_positive(function: str, *numbers: float) -> None:
    """Refuse negative numbers, as flux-core's ``function`` does."""
    if min(numbers) < 0:
        raise CommandError(f"{function}: {os.strerror(errno.EINVAL)}")


def _ask(topic: str, payload: dict[str, object] | None, function: str) -> JsonObject:
    try:
        answer: JsonObject = handle().rpc(topic, payload).get()
    except OSError as exc:
        raise CommandError(f"{function}: {exc.strerror}") from None
    return answer


@click.command(
    "list-ids", cls=JobCommand, synopsis="[OPTIONS] ID [ID ...]", help="List job(s) by id"
)
@click.option(
    "-W",
    "--wait-state",
    "state",
    metavar="STATE",
    help="Wait until each job has reached STATE",
    shell_complete=job_states,
)
@always_json
@click.argument("args", nargs=-1, cls=JobIdArguments)
@click.pass_context
def list_ids(ctx: click.Context, state: str | None, args: tuple[str, ...]) -> None:
    if not args:
        usage(ctx)
    asked: dict[str, object] = {"attrs": JOB_ATTRIBUTES}
    if state is not None:
        asked["state"] = _state(state)
    h = handle()
    futures = [h.rpc("job-list.list-id", {"id": parse_id(text), **asked}) for text in args]
    for future in futures:
        try:
            _show([future.get()["job"]])
        except OSError as exc:
            raise CommandError(f"flux_job_list_id: {exc.strerror}") from None


def _state(name: str) -> int:
    """Return the number of a state; raises CommandError for a name that is none."""
    from flux.job.state_names import STATE_FILTERS

    states = {name: number for name, number in STATE_FILTERS.items() if number.bit_count() == 1}
    if name.lower() not in states:
        raise CommandError("invalid job state specified", hint=suggestion(name.lower(), states))
    return states[name.lower()]


@click.command("stats", cls=JobCommand, synopsis="", help="Get current job stats")
@always_json
@click.argument("args", nargs=-1)
@click.pass_context
def stats(ctx: click.Context, args: tuple[str, ...]) -> None:
    if args:
        usage(ctx)
    from flux.wire import json

    counts = _ask("job-list.job-stats", None, "flux_job_stats")
    echo(json.dumps({name: counts[name] for name in COUNTS if name in counts}).decode())


def _ids(args: tuple[str, ...]) -> list[str]:
    if args:
        return list(args)
    announce("job ids, one a line,")
    return [line.strip() for line in sys.stdin if line.strip()]


@click.command(
    "id", cls=JobCommand, synopsis="[OPTIONS] [id ...]", help="Convert jobid(s) to another form"
)
@click.option(
    "-t",
    "--to",
    "encoding",
    default="dec",
    metavar="dec|kvs|hex|dothex|words|f58",
    help="Convert jobid to specified form; f58plain and emoji, too",
    shell_complete=words(lambda: ENCODINGS),
)
@json_option("Print each id as one line of JSON, in all forms")
@click.argument("args", nargs=-1, cls=JobIdArguments)
def id_command(encoding: str, as_json: bool, args: tuple[str, ...]) -> None:
    from flux.job.JobID import id_encode, id_parse

    if encoding not in ENCODINGS:
        raise CommandError(f"Unknown to={encoding}", hint=suggestion(encoding, ENCODINGS))
    ids = _ids(args)
    if not ids:
        raise CommandError("", 1)
    for text in ids:
        try:
            jobid = int(id_parse(text))
        except (ValueError, OSError, OverflowError):
            raise CommandError(f"{text}: malformed input") from None
        if as_json:
            print_json({"id": jobid, **{form: id_encode(jobid, form) for form in ENCODINGS}})
        else:
            echo(id_encode(jobid, encoding))


@click.command(
    "namespace",
    cls=JobCommand,
    synopsis="[id ...]",
    help="Convert job ids to job guest kvs namespace names",
)
@json_option(LINES)
@click.argument("args", nargs=-1, cls=JobIdArguments)
def namespace(as_json: bool, args: tuple[str, ...]) -> None:
    for text in _ids(args):
        jobid = parse_id(text)
        name = f"job-{jobid}"
        if as_json:
            print_json({"id": jobid, "namespace": name})
        else:
            echo(name)
