"""``flux job taskmap``: which task of a job runs where (RFC 34)."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from fluxctl.command import echo, handle
from fluxctl.errors import CommandError
from fluxctl.job.awaited_event import Patience, await_event
from fluxctl.job.options import JobCommand, JobIdArguments, usage
from fluxctl.json_output import json_option, print_json
from fluxctl.option_types import Integer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flux.core.handle import Flux

NUMBER = Integer(0, 0x7FFFFFFF)
FORMATS = ("raw", "pmi", "hosts", "multiline")


@dataclass(frozen=True, slots=True)
class Placed:
    """The tasks of each node of a job, and the nodes' host names, none for a map alone."""

    nodes: Sequence[Sequence[int]]
    hosts: Sequence[str] = ()

    def tasks(self, node: int) -> Sequence[int]:
        """Return the tasks of a node; none if there is no such node."""
        return self.nodes[node] if node < len(self.nodes) else ()

    def node_of(self, task: int) -> int | None:
        """Return the node of a task, None if there is no such task."""
        return next((node for node, tasks in enumerate(self.nodes) if task in tasks), None)


def placed_tasks(h: Flux, jobid: int) -> Placed:
    """Return where the tasks of a job run, or ran.

    Raises OSError: ENOENT for an unknown job, ENODATA for one that has no resources (yet), EINVAL
    for one whose jobspec makes no sense.
    """
    from flux.job.kvslookup import job_kvs_lookup
    from flux.job.slots import parse_slots, ranks_of, task_counts
    from flux.resource.ResourceSet import ResourceSet
    from flux.taskmap import block_map

    found = job_kvs_lookup(h, jobid, keys=["jobspec", "R"])
    if not found or not found.get("R"):
        raise OSError(errno.ENODATA, "the job has no resources (yet)")
    jobspec, resources = found["jobspec"], found["R"]
    hosts = list(ResourceSet(resources).nodelist)
    told = _told(h, jobid)
    if told is not None:
        return Placed(told, hosts)
    try:
        options = jobspec["attributes"]["system"].get("shell", {}).get("options", {})
        slots = parse_slots(jobspec["resources"])
        counts = task_counts(jobspec["tasks"][0]["count"], slots, ranks_of(resources), options)
    except (KeyError, TypeError, ValueError, IndexError, ZeroDivisionError) as exc:
        raise OSError(errno.EINVAL, "the job's jobspec or R makes no sense") from exc
    return Placed(block_map(counts), hosts)


def _told(h: Flux, jobid: int) -> list[list[int]] | None:
    """Return the map that the job's shells tell, None for blocks of consecutive tasks."""
    from flux.job.event import event_watch
    from flux.job.follow import EXEC
    from flux.taskmap import decode
    from flux.wire import json

    try:
        for event in event_watch(h, jobid, EXEC):
            if event.name == "shell.start":
                told = event.context.get("taskmap")
                return decode(json.dumps_str(told)) if told else None
    except OSError:
        return None
    return None


def _read(text: str) -> Placed:
    """Return what an argument says: a job id, or a map in any of its forms."""
    from flux.job.follow import EXEC, MAIN
    from flux.job.JobID import id_parse
    from flux.taskmap import decode, decode_pmi

    try:
        jobid = int(id_parse(text))
    except (ValueError, OSError, OverflowError):
        try:
            return Placed(decode_pmi(text) if text.startswith("(") else decode(text))
        except OSError as exc:
            raise CommandError(f"error decoding taskmap: {exc.strerror}") from None
    h = handle()
    try:
        # A pending job has no map yet, and where its shells tell it, it is there when they start.
        if await_event(h, jobid, MAIN, "start", Patience()) is not None:
            await_event(h, jobid, EXEC, "shell.start", Patience())
        return placed_tasks(h, jobid)
    except OSError as exc:
        if exc.errno == errno.ENOENT:
            raise CommandError("Unable to get job taskmap: no such job") from None
        if exc.errno == errno.ENODATA:
            raise CommandError("No taskmap found for job") from None
        raise CommandError(f"{text}: {exc.strerror}") from None


def _line(placed: Placed, form: str | None) -> str:
    """Return a map in one of its forms."""
    from flux.idset import IDset
    from flux.taskmap import encode, pmi, raw
    from flux.wire import json

    if form is None:
        return json.dumps_str(encode(placed.nodes))
    if form == "raw":
        return raw(placed.nodes)
    if form == "pmi":
        return pmi(encode(placed.nodes))
    if form == "hosts":
        if not placed.hosts:
            raise CommandError("taskmap: can't use --to=hosts without a jobid")
        rows = zip(placed.hosts, placed.nodes, strict=False)
        return "\n".join(f"{host}: {IDset(list(tasks))}" for host, tasks in rows)
    homes = {task: node for node, tasks in enumerate(placed.nodes) for task in tasks}
    return "\n".join(f"{task}: {homes[task]}" for task in sorted(homes))


@click.command(
    "taskmap",
    cls=JobCommand,
    synopsis="[OPTION] JOBID|TASKMAP",
    help="Utility function for working with job task maps",
)
@click.option(
    "--taskids", type=NUMBER, metavar="NODEID", help="Print idset of tasks on node NODEID"
)
@click.option(
    "--ntasks", type=NUMBER, metavar="NODEID", help="Print number of tasks on node NODEID"
)
@click.option(
    "--nodeid",
    type=NUMBER,
    metavar="TASKID",
    help="Print the shell rank/nodeid on which a taskid executed",
)
@click.option(
    "--hostname",
    type=NUMBER,
    metavar="TASKID",
    help="Print the hostname on which a taskid executed",
)
@click.option(
    "--to",
    "form",
    metavar="FORMAT",
    help="Convert an RFC 34 taskmap to another format (FORMAT can be raw, pmi, hosts, or"
    " multiline)",
)
@json_option("Print one JSON object: the tasks of each node, and the nodes' hosts.")
@click.argument("args", nargs=-1, cls=JobIdArguments)
@click.pass_context
def taskmap(
    ctx: click.Context,
    taskids: int | None,
    ntasks: int | None,
    nodeid: int | None,
    hostname: int | None,
    form: str | None,
    as_json: bool,
    args: tuple[str, ...],
) -> None:
    if len(args) != 1:
        usage(ctx)
    if form is not None and form not in FORMATS:
        raise CommandError(f"invalid value --to={form}")
    placed = _read(args[0])
    if as_json:
        print_json({"tasks": list(placed.nodes), "hosts": list(placed.hosts)})
    elif taskids is not None or ntasks is not None:
        echo(_of_node(placed, taskids, ntasks))
    elif nodeid is not None or hostname is not None:
        echo(_of_task(placed, nodeid, hostname))
    else:
        echo(_line(placed, form))


def _of_node(placed: Placed, taskids: int | None, ntasks: int | None) -> str:
    """Return the tasks of a node, or how many they are."""
    from flux.idset import IDset

    if taskids is not None:
        tasks = placed.tasks(taskids)
        if not tasks:
            raise CommandError(f"No taskids for node {taskids}: No such file or directory")
        return str(IDset(list(tasks)))
    node = ntasks or 0
    if node >= len(placed.nodes):
        reason = "No such file or directory"
        raise CommandError(f"failed to get task count for node {node}: {reason}")
    return str(len(placed.tasks(node)))


def _of_task(placed: Placed, nodeid: int | None, hostname: int | None) -> str:
    """Return the node of a task, or its host name."""
    task = nodeid if nodeid is not None else hostname or 0
    if nodeid is None and not placed.hosts:
        raise CommandError("taskmap: can't use --hostname without a jobid")
    node = placed.node_of(task)
    if node is None:
        reason = "No such file or directory"
        raise CommandError(f"failed to get nodeid for task {task}: {reason}")
    return str(node) if nodeid is not None else placed.hosts[node]
