"""``flux hostlist``: combine and cut lists of hosts (docs/todays-commands.md)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, NoReturn, TypedDict, Unpack

import click

from fluxctl import completions
from fluxctl.command import echo, handle, python_failure
from fluxctl.errors import CommandError
from fluxctl.json_output import json_option, print_json
from fluxctl.option_types import Integer
from fluxctl.python_style import PythonCommand, usage_error
from fluxctl.standard_input import read_text

if TYPE_CHECKING:
    from flux.core.handle import Flux
    from flux.hostlist import Hostlist

AVAILABLE: Final = frozenset(("avail", "available"))
STDIN: Final = frozenset(("stdin", "-"))
MODES: Final = ("intersect", "minus", "xor")


class Cut(TypedDict):
    """What is taken of the combined list, and in which order."""

    places: str | None
    limit: int
    sort: bool
    exclude: str | None
    unique: bool


class HostlistCommand(PythonCommand):
    """Takes negative numbers as values of options, as ``-n -1``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse; two ways to combine are a usage error."""
        rest = super().parse_args(ctx, args)
        modes = [name for name in MODES if ctx.params.get(name)]
        if len(modes) > 1 and not ctx.resilient_parsing:
            self._excluded(ctx, modes)
        return rest

    def _excluded(self, ctx: click.Context, modes: list[str]) -> NoReturn:
        named = {
            str(one.name): "/".join(one.opts)
            for one in self.params
            if isinstance(one, click.Option)
        }
        first, second = named[modes[0]], named[modes[1]]
        text = f"argument {second}: not allowed with argument {first}"
        raise usage_error(self.usage_line(ctx), "flux-hostlist", text)


@click.command(
    "hostlist",
    cls=HostlistCommand,
    short_help="fetch, combine and cut lists of hosts",
    usage="flux-hostlist [OPTIONS] [SOURCES ...]",
)
@click.option("-e", "--expand", is_flag=True, help="Print each host.")
@click.option(
    "-d", "--delimiter", metavar="S", default=" ", help="What is between hosts with --expand."
)
@click.option("-c", "--count", is_flag=True, help="Print how many hosts there are.")
@click.option(
    "-n", "--nth", "places", metavar="[-]IDS", help="The hosts at these places, -IDS from the end."
)
@click.option("-F", "--find", metavar="HOSTS", help="Print the places of HOSTS; fails without one.")
@click.option(
    "-L",
    "--limit",
    metavar="N",
    type=Integer(),
    default=0,
    help="The first N hosts, -N for the last.",
)
@click.option("-S", "--sort", is_flag=True, help="Sort the list.")
@click.option("-x", "--exclude", metavar="IDS|HOSTS", help="Without these hosts, or these places.")
@click.option("-u", "--union", "--unique", "unique", is_flag=True, help="Each host once.")
@click.option("-i", "--intersect", is_flag=True, help="The hosts that all sources have.")
@click.option("-m", "--minus", is_flag=True, help="The first source without the others.")
@click.option("-X", "--xor", is_flag=True, help="The hosts that an odd number of sources has.")
@click.option("-f", "--fallback", is_flag=True, help="A job id without a job is a host's name.")
@click.option("-l", "--local", is_flag=True, help="Without sources: local, not stdin.")
@json_option("Print one JSON array of host names.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing; exit with 1 for an empty list.")
@click.argument("sources", metavar="[SOURCES...]", nargs=-1, shell_complete=completions.job_ids)
def command(
    expand: bool,
    delimiter: str,
    count: bool,
    find: str | None,
    intersect: bool,
    minus: bool,
    xor: bool,
    fallback: bool,
    local: bool,
    as_json: bool,
    quiet: bool,
    sources: tuple[str, ...],
    **cut: Unpack[Cut],
) -> int:
    """Print the hosts that SOURCES name together, in the form of RFC 29.

    A source is a list of hosts, a job id, instance for all hosts, avail for those that are up and
    not drained, local for those of this job or else of the instance. stdin or - is a list there,
    which is also what is read without any source.
    """
    from fluxctl.host_sets import COMBINATIONS, places_of

    mode = "intersect" if intersect else "minus" if minus else "xor" if xor else "append"
    names = sources or (("local",) if local else ("stdin",))
    lists = [_hosts(name, fallback) for name in names]
    try:
        hosts = _cut(COMBINATIONS[mode](lists), cut)
        if find is not None:
            from flux.hostlist import Hostlist

            echo(" ".join(map(str, places_of(hosts, Hostlist(find)))))
            return 0
    except (ValueError, LookupError) as exc:
        raise CommandError(f"ERROR: {exc.args[0] if exc.args else exc}") from None
    if as_json and not quiet:
        print_json(list(hosts))
    elif not quiet:
        _print(hosts, expand, delimiter, count)
    return 1 if quiet and not len(hosts) else 0


def _cut(hosts: Hostlist, cut: Cut) -> Hostlist:
    """Return what is wanted of a list; raises ValueError, LookupError."""
    from fluxctl.host_sets import limited, nth, without

    if cut["exclude"] is not None:
        hosts = without(hosts, cut["exclude"])
    if cut["unique"]:
        hosts = hosts.copy().uniq() if cut["sort"] else _once(hosts)
    if cut["sort"]:
        hosts = hosts.copy().sort()
    if cut["places"] is not None:
        hosts = nth(hosts, cut["places"])
    return limited(hosts, cut["limit"])


def _once(hosts: Hostlist) -> Hostlist:
    """Return each host of a list once, where it stands first."""
    from flux.hostlist import Hostlist

    return Hostlist(dict.fromkeys(hosts))


def _print(hosts: Hostlist, expand: bool, delimiter: str, count: bool) -> None:
    if count:
        echo(str(len(hosts)))
        return
    between = delimiter.replace("\\n", "\n").replace("\\t", "\t")
    text = between.join(hosts) if expand else hosts.encode()
    if text:
        echo(text)


def _hosts(source: str, fallback: bool) -> Hostlist:
    """Return the hosts that a source names. Raises CommandError if it names none."""
    from flux.hostlist import Hostlist

    if source in STDIN:
        return _parsed(read_text("hosts"), "stdin")
    if source in AVAILABLE:
        return _available(handle(python_failure))
    if source in ("instance", "local"):
        mine = os.environ.get("FLUX_JOB_ID") if source == "local" else None
        found = _of_job(mine) if mine else None
        return _of_instance(handle(python_failure)) if found is None else found
    if not _is_jobid(source):
        return _parsed(source, source)
    found = _of_job(source)
    if found is None and not fallback:
        raise CommandError(f"ERROR: job {source} not found")
    return Hostlist(source) if found is None else found


def _parsed(text: str, source: str) -> Hostlist:
    from flux.hostlist import Hostlist

    try:
        return Hostlist(text.split())
    except ValueError:
        raise CommandError(f"ERROR: Invalid jobid or hostlist {source}") from None


def _is_jobid(text: str) -> bool:
    """Whether a source can be the id of a job."""
    from flux.job.JobID import id_parse

    try:
        id_parse(text)
    except (ValueError, OSError, OverflowError):
        return False
    return bool(text)


def _of_job(text: str) -> Hostlist | None:
    """Return the hosts of a job, None if there is no such job."""
    from flux.hostlist import Hostlist
    from flux.job.JobID import JobID
    from flux.job.list import job_list_id

    try:
        job = job_list_id(handle(python_failure), JobID(text), ["nodelist"]).get_job()
    except OSError:
        return None
    return Hostlist(str(job.get("nodelist") or ""))


def _of_instance(h: Flux) -> Hostlist:
    from flux.resource.list import resource_status

    status = resource_status(h, nodeid=0).get()
    return status.hosts_of(status.all)


def _available(h: Flux) -> Hostlist:
    """Return the hosts that are up and neither drained nor excluded."""
    from flux.resource.list import resource_status

    status = resource_status(h, nodeid=0).get()
    return status.hosts_of(status.avail)


EXAMPLES = """
# Print the hosts of this instance, one a line
flux hostlist --expand --delimiter='\\n' instance
# Print how many hosts are up and not drained
flux hostlist --count avail
# Print those of a list that another has not
flux hostlist --minus node[1-8] node[3-4]
"""
