"""The numbers on the command line that make up a job's resources, as arguments of
`flux.job.JobspecV1` (flux-mini(1)).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypedDict

from fluxctl.errors import WrongUsage
from fluxctl.mini.options import MiniOptions, failure
from fluxctl.numbers import integer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flux.job.Jobspec import JobspecV1

PER_RESOURCE: Final = ("cores", "tasks_per_node", "tasks_per_core", "gpus_per_node")
PER_TASK: Final = ("ntasks", "cores_per_task", "gpus_per_task")


class InstanceSlots(TypedDict):
    """What an instance that is a job gets."""

    num_slots: int
    cores_per_slot: int
    gpus_per_slot: int | None
    num_nodes: int | None
    exclusive: bool


def number(text: str | None, option: str) -> int | None:
    """Return the number that an option gives, None without one.

    Raises CommandError, which names the option, if it is not one or out of range.
    """
    if text is None:
        return None
    found = integer(text)
    if found is None:
        raise failure(f"{option}: invalid int value {text!r}")
    if abs(found) > 0x7FFFFFFF:
        raise failure(f"{option}: integer out of range: {text!r}")
    return found


def count(text: str | None, option: str) -> int:
    """Return the number that an option gives, 1 without one. Raises CommandError, see `number`."""
    found = number(text, option)
    return 1 if found is None else found


def _one_each(asked: str | None, options: MiniOptions) -> int | None:
    """Return the number of nodes if there is to be one task or slot on each, which are got whole:
    where today's flux-core is told of nodes only. ``--exclusive`` is an option of today's, in both
    spellings of a command.
    """
    if asked is not None or not (options.todays or options.exclusive):
        return None
    return number(options.nodes, "--nodes")


def tasks_of(options: MiniOptions, command: Sequence[str]) -> JobspecV1:
    """Return the jobspec of N copies of a command, with nothing but resources and tasks.

    Raises CommandError for an option that is no number or does not go with another, ValueError for
    a number that is out of range, TypeError.
    """
    from flux.job.Jobspec import JobspecV1

    if any(getattr(options, name) is not None for name in PER_RESOURCE):
        return _per_resource(options, command)
    each = _one_each(options.ntasks, options)
    return JobspecV1.from_command(
        command,
        num_tasks=each or count(options.ntasks, "--ntasks"),
        cores_per_task=count(options.cores_per_task, "--cores-per-task"),
        gpus_per_task=number(options.gpus_per_task, "--gpus-per-task"),
        num_nodes=number(options.nodes, "--nodes"),
        exclusive=options.exclusive or each is not None,
    )


def _per_resource(options: MiniOptions, command: Sequence[str]) -> JobspecV1:
    from flux.job.Jobspec import JobspecV1

    if any(getattr(options, name) is not None for name in PER_TASK):
        raise failure(
            "Per-resource options can't be used with per-task options. (See --help for details)"
        )
    found = {name: number(getattr(options, name), _option(name)) for name in PER_RESOURCE}
    for name in ("tasks_per_node", "tasks_per_core"):
        value = found[name]
        if value is not None and value < 1:
            raise failure(f"{_option(name)} must be >= 1")
    nodes = number(options.nodes, "--nodes")
    if found["gpus_per_node"] is not None and nodes is None:
        raise failure("--gpus-per-node requires --nodes")
    per_node, per_core = found["tasks_per_node"], found["tasks_per_core"]
    if per_node is not None and per_core is not None:
        raise failure("Do not specify both the number of tasks per node and per core")
    kind = "node" if per_node is not None else "core" if per_core is not None else None
    return JobspecV1.per_resource(
        command,
        ncores=found["cores"],
        nnodes=nodes,
        per_resource_type=kind,
        per_resource_count=per_node if per_node is not None else per_core,
        gpus_per_node=found["gpus_per_node"],
        exclusive=options.exclusive,
    )


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


_OF_SLOTS: Final = {
    "nslots": "-n/--nslots",
    "nodes": "-N/--nodes",
    "cores_per_slot": "-c/--cores-per-slot",
    "gpus_per_slot": "-g/--gpus-per-slot",
}
"""Options of instances that today's flux-core has argparse read."""


def _check_numbers(options: MiniOptions) -> None:
    for name, shown in _OF_SLOTS.items():
        text = getattr(options, name)
        if text is not None and integer(text) is None:
            raise WrongUsage(f"argument {shown}: invalid int value: {text!r}")


def slots_of(options: MiniOptions) -> InstanceSlots:
    """Return what ``batch`` and ``alloc`` ask for.

    Raises CommandError for an option that is no number, which in today's spelling is
    WrongUsage, or if nothing says how many slots.
    """
    if options.todays:
        _check_numbers(options)
    each = _one_each(options.nslots, options)
    none = options.nslots is None or (options.todays and integer(options.nslots) == 0)
    if none and each is None:
        raise failure("Number of slots to allocate must be specified")
    return {
        "num_slots": each or count(options.nslots, "--nslots"),
        "cores_per_slot": count(options.cores_per_slot, "--cores-per-slot"),
        "gpus_per_slot": number(options.gpus_per_slot, "--gpus-per-slot"),
        "num_nodes": number(options.nodes, "--nodes"),
        "exclusive": options.exclusive or each is not None,
    }
