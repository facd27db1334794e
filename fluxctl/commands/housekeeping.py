"""``flux housekeeping``: what tidies up on the nodes of jobs that are over
(docs/todays-commands.md).
"""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Final, Unpack

import click

from fluxctl import completions
from fluxctl.command import handle, python_failure
from fluxctl.errors import CommandError
from fluxctl.json_output import print_json_lines
from fluxctl.list_output import ListTable
from fluxctl.python_style import PythonCommand, PythonGroup
from fluxctl.resource_choice import ranks_named
from fluxctl.saved_formats import SavedFormats

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flux.core.handle import Flux
    from flux.idset import IDset
    from flux.resource.ResourceSet import ResourceSet
    from fluxctl.list_output import ListChoice

    Answer = dict[str, dict[str, dict[str, dict[str, object]]]]
    """Of ``job-manager.stats-get``, as far as it is looked at."""

_DEFAULT: Final = "{id.f58:>12} {nnodes:>6} {pending.nnodes:>7} {runtime!F:>8} {nodelist}"
_FORMATS: Final = SavedFormats(
    "flux-housekeeping",
    {
        "default": (
            "What is shown without a format",
            _DEFAULT,
        ),
        "pending": (
            "Nodes that are not done only",
            "{id.f58:>12} {pending.nnodes:>6} {runtime!F:>8} {pending.nodelist}",
        ),
    },
    "list",
)
_HEADINGS: Final = {
    **dict.fromkeys(("id", "id.f58", "id.dec", "id.f58plain", "id.hex", "id.words"), "JOBID"),
    "t_start": "T_START",
    "runtime": "RUNTIME",
    "nnodes": "NNODES",
    "ranks": "RANKS",
    "nodelist": "NODELIST",
    "pending.nnodes": "#ACTIVE",
    "pending.ranks": "ACTIVE",
    "pending.nodelist": "ACTIVE",
    "allocated.nnodes": "#ALLOC",
    "allocated.ranks": "ALLOC",
    "allocated.nodelist": "ALLOC",
}


class _Nodes:
    """A set of ranks as a field: ``nnodes``, ``ranks`` and ``nodelist``."""

    def __init__(self, ranks: IDset, resources: ResourceSet) -> None:
        self.nnodes = len(ranks)
        self.ranks = str(ranks)
        self.nodelist = str(resources.copy_ranks(ranks).nodelist)


class _Row:
    """A job whose nodes are tidied up; its own ranks are those that are still allocated."""

    def __init__(
        self, jobid: str, facts: Mapping[str, object], resources: ResourceSet, now: float
    ) -> None:
        from flux.idset import IDset
        from flux.job.JobID import JobID

        self.id = JobID(jobid)
        self.t_start = float(str(facts["t_start"]))
        self.runtime = max(now - self.t_start, 0.0)
        self.pending = _Nodes(IDset(str(facts["pending"])), resources)
        self.allocated = _Nodes(IDset(str(facts["allocated"])), resources)
        self.nnodes, self.ranks = self.allocated.nnodes, self.allocated.ranks
        self.nodelist = self.allocated.nodelist

    def facts(self) -> dict[str, object]:
        """Return the fields as plain values."""
        return {
            "id": int(self.id),
            "f58": self.id.f58,
            "t_start": self.t_start,
            "runtime": self.runtime,
            "pending": vars(self.pending),
            "allocated": vars(self.allocated),
        }


_ROWS = ListTable(_HEADINGS, _DEFAULT, saved=_FORMATS)


@click.group("housekeeping", cls=PythonGroup)
def command() -> None:
    """See and end what runs on the nodes of jobs that are over, before they are given back."""


@command.command("list", cls=PythonCommand)
@click.option(
    "-i",
    "--include",
    metavar="HOSTS|RANKS",
    help="List what runs on these hosts or ranks only.",
    shell_complete=completions.nodes,
)
@_ROWS.options()
def list_command(include: str | None, **choice: Unpack[ListChoice]) -> None:
    """List the jobs whose nodes are tidied up: how many nodes are held, and on how many the
    command still runs.
    """
    h = handle(python_failure)
    resources = _resources(h)
    kept = None if include is None else _named(include, resources)
    rows = []
    for jobid, facts in _running(h).items():
        row = _Row(jobid, facts, resources, time.time())
        if kept is None or len(kept.intersect(row.ranks)):
            rows.append(row)
    if choice["as_json"]:
        print_json_lines(row.facts() for row in rows)
    else:
        _ROWS.show_objects(rows, choice)


@command.command("kill", cls=PythonCommand)
@click.option(
    "-s", "--signal", "name", metavar="SIGNUM", default="SIGTERM", help="Send this signal."
)
@click.option(
    "-t",
    "--targets",
    metavar="RANKS|HOSTS",
    help="On these ranks or hosts only.",
    shell_complete=completions.nodes,
)
@click.option(
    "-j",
    "--jobid",
    metavar="JOBID",
    help="What runs after this job, or after all.",
    shell_complete=completions.job_ids,
)
@click.option("--all", "every", is_flag=True, help="All that runs.")
def kill(name: str, targets: str | None, jobid: str | None, every: bool) -> None:
    """Send a signal, by default SIGTERM, to what tidies up."""
    if targets is None and jobid is None and not every:
        raise CommandError("ERROR: specify at least one of --targets, --jobid, or --all")
    h = handle(python_failure)
    payload: dict[str, object] = {"signum": _number(name)}
    if jobid is not None and jobid != "all":
        from flux.job.JobID import JobID

        try:
            payload["jobid"] = int(JobID(jobid))
        except ValueError:
            raise CommandError(f"ERROR: invalid JobID value: {jobid!r}") from None
    if targets is not None:
        payload["ranks"] = str(_named(targets, _resources(h)))
    _ask(h, "job-manager.housekeeping-kill", payload)


def _number(name: str) -> int:
    """Return the number of a signal, by its name or number; raises CommandError."""
    if name.isdecimal() and int(name) < signal.NSIG:
        return int(name)
    try:
        return signal.Signals[f"SIG{name.upper().removeprefix('SIG')}"].value
    except KeyError:
        raise CommandError(f"ERROR: Invalid signal {name}") from None


def _running(h: Flux) -> Mapping[str, Mapping[str, object]]:
    found = _ask(h, "job-manager.stats-get", {}).get("housekeeping") or {}
    return found.get("running") or {}


def _ask(h: Flux, topic: str, payload: dict[str, object]) -> Answer:
    """Return the answer to a request; raises CommandError."""
    try:
        answer: dict[str, dict[str, dict[str, dict[str, object]]]] | None = h.rpc(
            topic, payload
        ).get()
    except OSError as exc:
        raise CommandError(f"ERROR: [Errno {exc.errno}] {exc.strerror}") from None
    return answer or {}


def _resources(h: Flux) -> ResourceSet:
    from flux.resource.list import resource_list

    try:
        return resource_list(h).get().all
    except OSError as exc:
        raise CommandError(f"ERROR: [Errno {exc.errno}] {exc.strerror}") from None


def _named(text: str, resources: ResourceSet) -> IDset:
    try:
        return ranks_named(text, resources)
    except ValueError as exc:
        raise CommandError(f"ERROR: {exc}") from None


EXAMPLES = """
# See after which jobs nodes are tidied up, and which are not done yet
flux housekeeping list
flux housekeeping list -o pending
# End it everywhere, so that the nodes are free
flux housekeeping kill --all
"""
