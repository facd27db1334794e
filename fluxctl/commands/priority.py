"""``flux priority``: what the priorities of waiting jobs are made of, as sprio(1) shows it."""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

from fluxctl import completions
from fluxctl.color import Paint, color_option
from fluxctl.command import FluxCommand, echo, handle
from fluxctl.errors import CommandError
from fluxctl.json_output import json_option, print_json

if TYPE_CHECKING:
    from flux.job.priority_factors import JobPriority, PriorityQuery
    from flux.wire.json import JsonMapping
    from fluxctl.priority_table import PriorityTable

NOBODY = "Unable to find jobs matching user/id(s) specified"


_GREATEST_USERID = (1 << 32) - 2


class _ShownJobs(TypedDict):
    """Which jobs are shown."""

    jobs: str | None
    users: str | None
    queues: str | None


def _ids(text: str) -> list[int]:
    from flux.job.JobID import JobID

    try:
        return [int(JobID(word)) for word in text.split(",")]
    except ValueError:
        raise CommandError(f"Invalid job id specified: {text}") from None


def _userids(text: str) -> list[int]:
    import pwd

    found = []
    for word in text.split(","):
        try:
            userid = int(word) if word.isdecimal() else pwd.getpwnam(word).pw_uid
            if userid > _GREATEST_USERID:
                raise ValueError(word)
            found.append(userid)
        except (KeyError, ValueError):
            raise CommandError(f"Invalid user: {word}") from None
    return found


def _query(choice: _ShownJobs) -> PriorityQuery:
    from flux.job.priority_factors import PriorityQuery

    jobs, users, queues = choice["jobs"], choice["users"], choice["queues"]
    ids = None if jobs is None else _ids(jobs)
    userids = None if users is None else _userids(users)
    try:
        names = None if queues is None else queues.split(",")
        return PriorityQuery(handle(), ids, userids, names)
    except OSError as exc:
        raise CommandError(exc.strerror or str(exc)) from None


def _show(query: PriorityQuery, table: PriorityTable | None, sort: str, header: str | None) -> bool:
    """Print the jobs; returns whether there were any."""
    from fluxctl.priority_table import sort_keys, sorted_jobs

    keys = sort_keys(sort)
    pages = query.pages()
    if keys != [("i", False)]:
        pages = iter([sorted_jobs((job for page in pages for job in page), keys, query.weights)])
    seen = False
    first = list(islice(pages, 1))  # an error has no header
    if header is not None:
        echo(header, raw=True)
    for page in chain(first, pages):
        seen = seen or bool(page)
        echo("".join(_line(job, table) for job in page), nl=False)
    return seen


def _show_weights(found: JsonMapping, table: PriorityTable, noheader: bool, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    echo(table.weights() if noheader else f"{table.header()}\n{table.weights()}")


def _line(job: JobPriority, table: PriorityTable | None) -> str:
    """Return the line of a job: in a table, or as an object of JSON."""
    from flux.job.JobID import id_encode

    jobid = id_encode(job.id, "f58")
    if table is not None:
        return table.row(job, jobid) + "\n"
    from flux.wire import json

    return json.dumps_str({**job._asdict(), "f58": jobid}) + "\n"


@click.command(
    cls=FluxCommand,
    context_settings={"help_option_names": ["--help"]},
)
@click.option("-h", "--noheader", is_flag=True, help="Do not print column headings.")
@click.option(
    "-j",
    "--jobs",
    metavar="JOBID,...",
    help="Show these jobs only.",
    shell_complete=completions.job_ids,
)
@click.option(
    "-u",
    "--user",
    "users",
    metavar="USER,...",
    help="Show jobs of these users only.",
    shell_complete=completions.users,
)
@click.option(
    "-p",
    "--partition",
    "--queue",
    "queues",
    metavar="QUEUE,...",
    shell_complete=completions.queue_list,
    help="Show jobs in these queues only.",
)
@click.option("-l", "--long", is_flag=True, help="Show all factors, and whose jobs they are, too.")
@click.option("-n", "--norm", is_flag=True, help="Show factors from 0 to 1, not what they add.")
@click.option(
    "-o",
    "--format",
    "layout",
    metavar="FORMAT",
    envvar="SPRIO_FORMAT",
    help="Print fields of your own: %[.][size]type, right-justified with a point.",
)
@click.option(
    "-S",
    "--sort",
    metavar="FIELD,...",
    default="i",
    help="Sort by the types of fields, with - for descending (default i, the job id).",
)
@click.option("-w", "--weights", is_flag=True, help="Show the weights of the factors, and no jobs.")
@json_option("Print each job, or with -w the weights, as one line of JSON.")
@color_option()
def command(
    noheader: bool,
    long: bool,
    norm: bool,
    layout: str | None,
    sort: str,
    weights: bool,
    as_json: bool,
    color: str,
    **choice: Unpack[_ShownJobs],
) -> None:
    """Show what the priority of each waiting job is made of.

    A priority is the sum of the factors, each multiplied by its weight, and of the site's factor,
    less NICE. Jobs that are held, or wait for other jobs, have none yet.

    \b
    Types of fields in FORMAT:
      i  job id        r  queue         u  user        o  account
      n  name of QOS   Y  priority      y  priority from 0 to 1
      S  site          N  nice, less what the urgency is worth
      a  age           b  association   f  fair share  j  job size
      p  queue factor  q  QOS           t  trackable resources
    Capital A to T: what the factor adds to the priority.
    """
    from flux.job.priority_factors import weights_of
    from fluxctl.priority_table import PriorityTable, layout_for, parse, sort_keys

    def table_of(found: JsonMapping, *, named: bool = False) -> PriorityTable:
        text = layout or layout_for(found, long=long, norm=norm, users=named)
        return PriorityTable(text, found)

    try:
        sort_keys(sort)
        parse(layout or "")
        if weights:
            _show_weights(found := weights_of(handle()), table_of(found), noheader, as_json)
            return
        query = _query(choice)
        table = table_of(query.weights, named=bool(choice["users"] or choice["jobs"]))
        header = None if noheader or as_json else Paint(color)(table.header(), "heading")
        if not _show(query, None if as_json else table, sort, header) and any(choice.values()):
            echo(NOBODY, err=True)
    except ValueError as exc:
        raise CommandError(str(exc)) from None
    except OSError as exc:
        raise CommandError(exc.strerror or str(exc)) from None


EXAMPLES = """
# Show the factors of all waiting jobs, and their weights
flux priority --long
flux priority --weights
# The ten jobs with the highest priority, with what fair share adds to it
flux priority --noheader --sort=-Y --format='%12i %8u %.10Y %.10F' | head
# What the jobs of a user are made of, for a program
flux priority --user=$USER --json
"""
