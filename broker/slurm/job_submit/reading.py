"""How fields of ``job_desc`` are read from a job: functions of a draft that return None for what is
not set.
"""

from __future__ import annotations

import functools
import math
import os
import pwd
from typing import TYPE_CHECKING

from broker.slurm.constants import INFINITE, MEM_PER_CPU, NICE_OFFSET
from broker.slurm.job_submit.words import (
    BEGIN_TIME,
    dependency_text,
    features_text,
    gpu_text,
    hosts_text,
    output_text,
)
from flux.constants import FLUX_JOB_URGENCY_DEFAULT
from flux.job.describe import job_name
from flux.job.jobspec_v1 import BATCH_OUTPUT

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.slurm.job_submit.kinds import Value
    from broker.slurm.job_submit.subject import JobSubject
    from flux.wire.json import JsonObject


def own(key: str) -> Callable[[JobSubject], Value]:
    """Return what reads a text of ``attributes.system``, else what is kept under its name."""

    def read(draft: JobSubject) -> Value:
        return _text(draft.system.get(key)) or draft.kept(key)

    return read


def kept(name: str) -> Callable[[JobSubject], Value]:
    """Return what reads a field that is kept though it has a meaning, too."""
    return lambda draft: draft.kept(name)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


# Who and what


def name(draft: JobSubject) -> Value:
    """The job's name, which always is there."""
    return job_name(draft.jobspec)


def account(draft: JobSubject) -> Value:
    """The bank, as flux-accounting calls it."""
    system = draft.system
    return _text(system.get("bank")) or _text(system.get("account")) or draft.kept("account")


def user_id(draft: JobSubject) -> Value:
    """The user who submits."""
    return draft.userid


def user_name(draft: JobSubject) -> Value:
    """The user's name, None if the system has none."""
    return _user(draft.userid)[0]


def group_id(draft: JobSubject) -> Value:
    """The user's first group."""
    return None if draft.is_change else _user(draft.userid)[1]


@functools.lru_cache(maxsize=1024)
def _user(userid: int) -> tuple[str | None, int]:
    try:
        entry = pwd.getpwuid(userid)
    except KeyError:
        return None, userid
    return entry.pw_name, entry.pw_gid


def alloc_node(_: JobSubject) -> Value:
    """The host that submissions come through."""
    return os.uname().nodename


# Time and order


def time_limit(draft: JobSubject) -> Value:
    """Minutes, rounded up; no limit is none that is set."""
    duration = draft.system.get("duration")
    if not isinstance(duration, int | float) or isinstance(duration, bool):
        return None
    if draft.is_change and not duration:
        return INFINITE
    return math.ceil(duration / 60) if duration > 0 and math.isfinite(duration) else None


def priority(draft: JobSubject) -> Value:
    """The urgency; the default one is none that is set, but where it is what a job is released to,
    as scontrol does with the greatest number.
    """
    if draft.urgency == FLUX_JOB_URGENCY_DEFAULT:
        return INFINITE if draft.is_change else None
    return draft.urgency


def nice(draft: JobSubject) -> Value:
    """The nice value with `NICE_OFFSET` added."""
    value = draft.system.get("nice")
    return value + NICE_OFFSET if type(value) is int and abs(value) < NICE_OFFSET else None


def begin_time(draft: JobSubject) -> Value:
    """The time of the last dependency of that kind."""
    times = [item.get("value") for item in _dependencies(draft) if item.get("scheme") == BEGIN_TIME]
    try:
        return int(float(str(times[-1]))) if times else None
    except (ValueError, OverflowError):
        return None


def dependency(draft: JobSubject) -> Value:
    """The dependencies on jobs."""
    return dependency_text(_dependencies(draft))


def _dependencies(draft: JobSubject) -> list[JsonObject]:
    found = draft.system.get("dependencies")
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


# JobSize


def nodes(draft: JobSubject) -> Value:
    """How many nodes, if any are named."""
    size = draft.size
    return size.nodes if size is not None else None


def num_tasks(draft: JobSubject) -> Value:
    """How many tasks: a job of Flux always says it."""
    size = draft.size
    return size.tasks if size is not None else None


def cpus_per_task(draft: JobSubject) -> Value:
    """Cores of a slot; one is what is meant if nothing is set."""
    size = draft.size
    return size.cores if size is not None and size.cores > 1 else None


def min_cpus(draft: JobSubject) -> Value:
    """Cores in all."""
    size = draft.size
    return size.slots * size.cores if size is not None else None


def shared(draft: JobSubject) -> Value:
    """0 for a job whose nodes are its own."""
    size = draft.size
    return 0 if size is not None and size.whole else draft.kept("shared")


def gpus_per_node(draft: JobSubject) -> Value:
    """GPUs of a node; of a slot, where no nodes are named: scripts look for GPUs here first."""
    size = draft.size
    kept_text = draft.kept("tres_per_node")
    if kept_text is not None or size is None:
        return kept_text
    each = size.gpus if size.nodes is None else size.gpus * -(-size.slots // size.nodes)
    return gpu_text(each)


def gpus_per_task(draft: JobSubject) -> Value:
    """GPUs of a slot, where no nodes are named."""
    size = draft.size
    kept_text = draft.kept("tres_per_task")
    if kept_text is not None or size is None or size.nodes is not None:
        return kept_text
    return gpu_text(size.gpus)


def memory(draft: JobSubject) -> Value:
    """What is kept, under any of the three names."""
    for key, flag in (
        ("pn_min_memory", 0),
        ("min_mem_per_node", 0),
        ("min_mem_per_cpu", MEM_PER_CPU),
    ):
        value = draft.kept(key)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value | flag
    return None


# Where


def features(draft: JobSubject) -> Value:
    """The properties of a constraint."""
    return features_text(draft.system.get("constraints")) or draft.kept("features")


def req_nodes(draft: JobSubject) -> Value:
    """The hosts of a constraint."""
    return hosts_text(draft.system.get("constraints"))


def exc_nodes(draft: JobSubject) -> Value:
    """The hosts that a constraint excludes."""
    return hosts_text(draft.system.get("constraints"), excluded=True)


# What runs


def script(draft: JobSubject) -> Value:
    """The text of a batch script."""
    batch = draft.system.get("batch")
    return _text(batch.get("script")) if isinstance(batch, dict) else None


def command(draft: JobSubject) -> list[str]:
    """The words of the command."""
    tasks = draft.jobspec.get("tasks")
    first = tasks[0] if isinstance(tasks, list) and tasks else None
    words = first.get("command") if isinstance(first, dict) else None
    if isinstance(words, str):
        return [words]
    return [word for word in words if isinstance(word, str)] if isinstance(words, list) else []


def argc(draft: JobSubject) -> Value:
    """How many words the command has."""
    return len(command(draft))


def std_in(draft: JobSubject) -> Value:
    """The file that the tasks read."""
    return _file(draft, "input", "stdin")


def std_out(draft: JobSubject) -> Value:
    """The file that the tasks write to; that of a batch job which says nothing is not set."""
    return _output(draft, "stdout")


def std_err(draft: JobSubject) -> Value:
    """The file that the tasks write errors to."""
    return _output(draft, "stderr")


def _file(draft: JobSubject, way: str, stream: str) -> str | None:
    place: object = draft.system
    for key in ("shell", "options", way, stream, "path"):
        place = place.get(key) if isinstance(place, dict) else None
    return _text(place)


def _output(draft: JobSubject, stream: str) -> str | None:
    """Return a file in the words of sbatch, whose clients make paths absolute."""
    path = _file(draft, "output", stream)
    if path is None or (path == BATCH_OUTPUT and "batch" in draft.system):
        return None
    folder = _text(draft.system.get("cwd")) or "/"
    return output_text(os.path.join(folder, path))
