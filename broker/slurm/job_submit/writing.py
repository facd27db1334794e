"""How fields of ``job_desc`` that were assigned get into a jobspec."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from broker.slurm.constants import INFINITE, MEM_PER_CPU, NICE_OFFSET, NO_VAL, NO_VAL16, NO_VAL64
from broker.slurm.job_submit.reading import exc_nodes, features, req_nodes
from broker.slurm.job_submit.resources import put_size, size_of
from broker.slurm.job_submit.words import (
    BEGIN_TIME,
    constraint_of,
    dependencies_of,
    gpus_in,
    refusal,
    template_of,
)
from flux.constants import FLUX_JOB_URGENCY_DEFAULT, FLUX_JOB_URGENCY_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from broker.slurm.job_submit.kinds import Value
    from broker.slurm.job_submit.resources import JobSize
    from broker.slurm.job_submit.subject import JobSubject
    from flux.wire.json import JsonObject

SIZE: Final = (
    *("min_nodes", "max_nodes", "num_tasks", "cpus_per_task", "min_cpus", "pn_min_cpus"),
    *("ntasks_per_node", "shared", "tres_per_node", "tres_per_task", "tres_per_job"),
)
PLACE: Final = ("features", "req_nodes", "exc_nodes")
START: Final = ("dependency", "begin_time")


def own(key: str) -> Callable[[JobSubject, Value], None]:
    """Return what writes a text of ``attributes.system``."""

    def write(draft: JobSubject, value: Value) -> None:
        _put(draft.system, key, value)

    return write


def _put(table: JsonObject, key: str, value: object) -> None:
    if value is None:
        table.pop(key, None)
    else:
        table[key] = value


def _section(table: JsonObject, *keys: str) -> JsonObject:
    """Return a table inside others, made where it is missing."""
    for key in keys:
        inner = table.get(key)
        if not isinstance(inner, dict):
            inner = table[key] = {}
        table = inner
    return table


# Who and what


def name(draft: JobSubject, value: Value) -> None:
    """Name the job; without one it is called as its command."""
    if value is not None:
        _section(draft.system, "job")["name"] = value
    elif isinstance(draft.system.get("job"), dict):
        draft.system["job"].pop("name", None)


def account(draft: JobSubject, value: Value) -> None:
    """Charge a bank, and under the other name if the job came with that."""
    _put(draft.system, "bank", value)
    if "account" in draft.system:
        _put(draft.system, "account", value)


def partition(draft: JobSubject, value: Value) -> None:
    """Choose a queue: the first of several, for a job of Flux is in one. As under slurmctld there
    has to be each of them.
    """
    names = str(value).split(",") if value is not None else [None]
    first = names[0]
    if len(names) > 1:
        if draft.queues is not None and not draft.queues.issuperset(names):
            raise refusal("ESLURM_INVALID_PARTITION_NAME")
        draft.notes.append(f"partition {value}: a job is in one queue, {first} is taken")
    _put(draft.system, "queue", first)


# Time and order


def time_limit(draft: JobSubject, value: Value) -> None:
    """Set the duration in seconds, 0 for no limit."""
    minutes = value if isinstance(value, int) and value not in (NO_VAL, INFINITE) else 0
    draft.system["duration"] = float(minutes * 60) if minutes else 0


def priority(draft: JobSubject, value: Value) -> None:
    """Set the urgency: 0 holds, what is greater than 31 is 31."""
    if value in (NO_VAL, INFINITE):
        draft.urgency = FLUX_JOB_URGENCY_DEFAULT
    elif isinstance(value, int):
        draft.urgency = min(value, FLUX_JOB_URGENCY_MAX)


def nice(draft: JobSubject, value: Value) -> None:
    """Set the nice value, or none."""
    if isinstance(value, int) and value not in (NO_VAL, INFINITE):
        _put(draft.system, "nice", value - NICE_OFFSET)
    else:
        _put(draft.system, "nice", None)


def start(draft: JobSubject, changed: Mapping[str, Value]) -> None:
    """Write what the job waits for: other jobs and a time."""
    found = draft.system.get("dependencies")
    before = [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
    after = [item for item in before if item.get("scheme") == BEGIN_TIME]
    jobs = [item for item in before if item.get("scheme") != BEGIN_TIME]
    if "dependency" in changed:
        value = changed["dependency"]
        jobs = dependencies_of(str(value) if value is not None else None)
    if "begin_time" in changed:
        value = changed["begin_time"]
        after = [{"scheme": BEGIN_TIME, "value": str(value)}] if value else []
    _put(draft.system, "dependencies", [*jobs, *after] or None)


# JobSize


def size(draft: JobSubject, changed: Mapping[str, Value]) -> None:
    """Write nodes, tasks, cores and GPUs; raises OSError with the error of Slurm for impossible
    ones.
    """
    found = size_of(draft.jobspec)
    if found is None:
        draft.notes.append(f"{', '.join(changed)}: the job's resources cannot be changed")
        return
    _nodes(found, changed)
    _tasks(found, changed)
    _cores(found, changed)
    if "shared" in changed:
        _shared(draft, found, changed["shared"])
    if not {"tres_per_node", "tres_per_task", "tres_per_job"}.isdisjoint(changed):
        _gpus(draft, found, changed)
    _keep(draft, changed, "ntasks_per_node", NO_VAL16)
    put_size(draft.jobspec, found)


def _keep(draft: JobSubject, changed: Mapping[str, Value], field: str, unset: Value) -> None:
    if field in changed:
        draft.keep(field, None if changed[field] == unset else changed[field])


def _number(changed: Mapping[str, Value], field: str, *unset: int) -> int | None:
    """Return a number that was assigned, None if it was not, or is none that is set."""
    value = changed.get(field)
    return value if isinstance(value, int) and value not in unset else None


def _nodes(found: JobSize, changed: Mapping[str, Value]) -> None:
    if "min_nodes" in changed:
        found.nodes = _number(changed, "min_nodes", NO_VAL) or None
    most = _number(changed, "max_nodes", NO_VAL, 0)
    if most is not None and found.nodes is not None:
        found.nodes = min(found.nodes, most)


def _tasks(found: JobSize, changed: Mapping[str, Value]) -> None:
    """Make a slot for each task, at least one on each node."""
    if "num_tasks" in changed:
        found.tasks = found.slots = 1 if changed["num_tasks"] == NO_VAL else _tasks_of(changed)
    each = _number(changed, "ntasks_per_node", NO_VAL16, 0)
    if each is not None and found.nodes is not None and "num_tasks" not in changed:
        found.tasks = found.slots = each * found.nodes
    elif each is not None and found.nodes is None:
        found.nodes = -(-found.tasks // each)
    if found.nodes is not None and found.slots < found.nodes:
        found.tasks = found.slots = found.nodes


def _tasks_of(changed: Mapping[str, Value]) -> int:
    tasks = _number(changed, "num_tasks")
    if not tasks:
        raise refusal("ESLURM_BAD_TASK_COUNT")
    return tasks


def _cores(found: JobSize, changed: Mapping[str, Value]) -> None:
    for field in ("pn_min_cpus", "cpus_per_task"):
        if field in changed:
            found.cores = 1 if changed[field] == NO_VAL16 else _number(changed, field) or 0
    least = _number(changed, "min_cpus", NO_VAL)
    if least is not None:
        found.cores = max(found.cores, -(-least // found.slots))
    if not found.cores:
        raise refusal("ESLURM_INVALID_CPU_COUNT")


def _shared(draft: JobSubject, found: JobSize, value: Value) -> None:
    """Give a job its nodes whole, or not; one that names no nodes has one if one is enough."""
    found.whole = value == 0 and (found.nodes is not None or found.slots == 1)
    if value == 0 and not found.whole:
        draft.notes.append("shared = 0: only jobs that name nodes can have them whole")
    draft.keep("shared", None if value in (0, NO_VAL16) else value)


def _gpus(draft: JobSubject, found: JobSize, changed: Mapping[str, Value]) -> None:
    """Give each slot its GPUs; what is more than a number is kept besides."""
    slots_of_node = 1 if found.nodes is None else -(-found.slots // found.nodes)
    count = 0
    for field, slots in (
        ("tres_per_job", found.slots),
        ("tres_per_node", slots_of_node),
        ("tres_per_task", 1),
    ):
        value = changed.get(field)
        text = value if isinstance(value, str) else None
        gpus, whole = gpus_in(text)
        count = max(count, -(-gpus // slots))
        if field in changed:
            draft.keep(field, None if whole else text)
    found.gpus = count


def memory(draft: JobSubject, value: Value) -> None:
    """Keep a memory size under the name that says what it is for."""
    for field in ("pn_min_memory", "min_mem_per_node", "min_mem_per_cpu"):
        draft.keep(field, None)
    if isinstance(value, int) and value != NO_VAL64:
        of_cpu = bool(value & MEM_PER_CPU)
        draft.keep("min_mem_per_cpu" if of_cpu else "min_mem_per_node", value & ~MEM_PER_CPU)


# Where


def place(draft: JobSubject, changed: Mapping[str, Value]) -> None:
    """Write the constraints with what was assigned and what was there."""
    before = draft.system.get("constraints") or {}
    old = [_word(read(draft)) for read in (features, req_nodes, exc_nodes)]
    new = [
        _word(changed[field]) if field in changed else was
        for field, was in zip(PLACE, old, strict=True)
    ]
    found = constraint_of(*new)
    if constraint_of(*old) != before:  # it says more than these fields do, and goes on saying it
        found = {"and": [before, found]} if found else before
    _put(draft.system, "constraints", found or None)
    if "features" in changed:
        draft.keep("features", None)


def _word(value: Value) -> str | None:
    return value if isinstance(value, str) else None


# What runs


def script(draft: JobSubject, value: Value) -> None:
    """Write the script of a batch job."""
    batch = draft.system.get("batch")
    if isinstance(batch, dict) and isinstance(value, str):
        batch["script"] = value
    else:
        draft.notes.append("script: only that of a batch job can be replaced")


def std_in(draft: JobSubject, value: Value) -> None:
    """Have the tasks read a file."""
    _write_file(draft, "input", "stdin", value)


def std_out(draft: JobSubject, value: Value) -> None:
    """Have the tasks write to a file."""
    _write_file(draft, "output", "stdout", value)


def std_err(draft: JobSubject, value: Value) -> None:
    """Have the tasks write errors to a file."""
    _write_file(draft, "output", "stderr", value)


def _write_file(draft: JobSubject, way: str, stream: str, value: Value) -> None:
    if isinstance(value, str):
        options = _section(draft.system, "shell", "options", way)
        before = options.get(stream)
        table = dict(before) if isinstance(before, dict) else {}
        path = template_of(value) if way == "output" else value
        options[stream] = {**table, "type": "file", "path": path}
        return
    options = _section(draft.system, "shell", "options")
    if isinstance(options.get(way), dict):
        options[way].pop(stream, None)
