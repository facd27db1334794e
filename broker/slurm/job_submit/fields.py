"""The fields of ``job_desc``: one line each, with where it stands in a jobspec. This table is the
mapping; docs/slurm-job-submit.md shows it.

A field without functions of its own is kept in ``attributes.system.slurm`` under its name, where it
is read again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from broker.slurm.constants import MEM_PER_CPU, NO_VAL, NO_VAL16, NO_VAL64
from broker.slurm.job_submit import reading as r
from broker.slurm.job_submit import writing as w
from broker.slurm.job_submit.kinds import (
    ANY,
    BOOLEAN,
    MEMORY,
    S32,
    TABLE,
    TEXT,
    TIME,
    U8,
    U16,
    U16_ZERO,
    U32,
    U64,
    U64_ZERO,
    Kind,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from broker.slurm.job_submit.kinds import Value
    from broker.slurm.job_submit.subject import JobSubject


class JobField(Struct, frozen=True):
    """One field of ``job_desc``.

    ``where`` says where in a jobspec it stands, ``unit`` what its numbers count. ``read`` returns
    it from a draft, None if it is not set; ``write`` puts it there, unless one of `WRITERS` does
    that for several. ``storage`` is the field behind it, whose value ``load`` and ``store`` turn
    into this one's and back. ``in_change`` is what is read in ``job_modify`` if it is not to be
    changed.
    """

    name: str
    kind: Kind
    where: str = ""
    unit: str = ""
    read: Callable[[JobSubject], Value] | None = None
    write: Callable[[JobSubject, Value], None] | None = None
    writable: bool = True
    storage: str = ""
    load: Callable[[Value], Value] | None = None
    store: Callable[[Value], Value] | None = None
    in_change: Value = None

    def unset(self, draft: JobSubject) -> Value:
        """Return what is read if nothing is set."""
        if draft.is_change and self.in_change is not None:
            return self.in_change
        return self.kind.unset


def _flagged(value: Value) -> bool:
    return isinstance(value, int) and value != NO_VAL64 and bool(value & MEM_PER_CPU)


def _per_cpu(value: Value) -> Value:
    return value & ~MEM_PER_CPU if isinstance(value, int) and _flagged(value) else None


def _per_node(value: Value) -> Value:
    return None if value == NO_VAL64 or _flagged(value) else value


def _for_each_cpu(value: Value) -> Value:
    return value | MEM_PER_CPU if isinstance(value, int) else value


def _as_gres(value: Value) -> Value:
    """Return what slurmctld makes of a text for ``gres``."""
    words = str(value).split(",") if value is not None else []
    return ",".join(f"gres:{word}" for word in words) or None


_TABLE: Final = (
    # Who and what
    JobField("name", TEXT, "system.job.name, else the command's", read=r.name, write=w.name),
    JobField("account", TEXT, "system.bank, else system.account", read=r.account, write=w.account),
    JobField("qos", TEXT, "system.qos", read=r.own("qos"), write=w.own("qos")),
    JobField("comment", TEXT, "system.comment", read=r.own("comment"), write=w.own("comment")),
    JobField("partition", TEXT, "system.queue", read=r.own("queue"), write=w.partition),
    JobField("user_id", U32, "the submitter", read=r.user_id, writable=False),
    JobField("user_name", TEXT, "the submitter", read=r.user_name, writable=False),
    JobField("group_id", U32, "the submitter", read=r.group_id, writable=False, in_change=NO_VAL),
    JobField("alloc_node", TEXT, "the host of rank 0", read=r.alloc_node, writable=False),
    # Time and order
    JobField(
        "time_limit", U32, "system.duration", "minutes", read=r.time_limit, write=w.time_limit
    ),
    JobField("time_min", U32, unit="minutes"),
    JobField("priority", U32, "the urgency: 0 holds", read=r.priority, write=w.priority),
    JobField("nice", U32, "system.nice", "with 0x80000000 added", read=r.nice, write=w.nice),
    JobField("begin_time", TIME, "dependency begin-time", "seconds since 1970", read=r.begin_time),
    JobField("end_time", TIME, unit="seconds since 1970"),
    JobField("dependency", TEXT, "system.dependencies", read=r.dependency),
    JobField("delay_boot", U32, unit="seconds"),
    JobField("immediate", U16_ZERO),
    JobField("site_factor", S32),
    # JobSize
    JobField("min_nodes", U32, "resources: node", read=r.nodes),
    JobField("max_nodes", U32, "resources: node", read=r.nodes),
    JobField("num_tasks", U32, "resources: slot; batch: its slots", read=r.num_tasks),
    JobField("cpus_per_task", U16, "resources: core", read=r.cpus_per_task),
    JobField("min_cpus", U32, "resources: slots times cores", read=r.min_cpus),
    JobField("max_cpus", U32),
    JobField("pn_min_cpus", U16, "resources: core", read=r.cpus_per_task),
    JobField("ntasks_per_node", U16, "resources: slot in node", read=r.kept("ntasks_per_node")),
    JobField("ntasks_per_socket", U16),
    JobField("ntasks_per_core", U16, "nothing: not set", writable=False),
    JobField("ntasks_per_board", U16_ZERO, "nothing: not set", writable=False),
    JobField("ntasks_per_gpu", U16, storage="ntasks_per_tres"),
    JobField("ntasks_per_tres", U16),
    JobField("sockets_per_node", U16),
    JobField("sockets_per_board", U16_ZERO, "nothing: not set", writable=False),
    JobField("boards_per_node", U16_ZERO, "nothing: not set", writable=False),
    JobField("cores_per_socket", U16),
    JobField("threads_per_core", U16),
    JobField("shared", U16, "resources: node exclusive; 0 is exclusive", read=r.shared),
    JobField("contiguous", U16_ZERO, in_change=NO_VAL16),
    # GPUs and other generic resources
    JobField(
        "gres",
        TEXT,
        "resources: gpu, of a node",
        storage="tres_per_node",
        store=_as_gres,
    ),
    JobField("tres_per_node", TEXT, "resources: gpu, of a node", read=r.gpus_per_node),
    JobField("tres_per_task", TEXT, "resources: gpu, of a slot", read=r.gpus_per_task),
    JobField("tres_per_job", TEXT, "resources: gpu, of all slots", read=r.kept("tres_per_job")),
    JobField("tres_per_socket", TEXT),
    JobField("tres_bind", TEXT),
    JobField("tres_freq", TEXT),
    JobField("cpus_per_tres", TEXT),
    JobField("mem_per_tres", TEXT),
    # Memory
    JobField("pn_min_memory", U64, unit="MiB; bit 63: of each CPU", read=r.memory, write=w.memory),
    JobField(
        "min_mem_per_node", MEMORY, "pn_min_memory", "MiB", storage="pn_min_memory", load=_per_node
    ),
    JobField(
        "min_mem_per_cpu",
        MEMORY,
        "pn_min_memory",
        "MiB",
        storage="pn_min_memory",
        load=_per_cpu,
        store=_for_each_cpu,
    ),
    JobField("pn_min_tmp_disk", U32, unit="MiB"),
    # Where
    JobField("features", TEXT, "system.constraints: properties", read=r.features),
    JobField("req_nodes", TEXT, "system.constraints: hostlist", read=r.req_nodes),
    JobField("exc_nodes", TEXT, "system.constraints: not hostlist", read=r.exc_nodes),
    JobField("prefer", TEXT),
    JobField("batch_features", TEXT),
    JobField("reservation", TEXT),
    JobField("licenses", TEXT),
    JobField("clusters", TEXT),
    JobField("req_switch", U32),
    JobField("wait4switch", U32, unit="seconds"),
    # What runs
    JobField("script", TEXT, "system.batch.script", read=r.script, write=w.script),
    JobField("argv", TABLE, "the command, from index 0", writable=False),
    JobField("argc", U32, "the command", read=r.argc, writable=False),
    JobField("environment", TABLE, "system.environment", writable=False),
    JobField("work_dir", TEXT, "system.cwd", read=r.own("cwd"), write=w.own("cwd")),
    JobField("std_in", TEXT, "shell.options.input", read=r.std_in, write=w.std_in),
    JobField("std_out", TEXT, "shell.options.output", read=r.std_out, write=w.std_out),
    JobField("std_err", TEXT, "shell.options.output", read=r.std_err, write=w.std_err),
    JobField("array_inx", TEXT),
    JobField("container", TEXT),
    JobField("burst_buffer", TEXT),
    JobField("network", TEXT, writable=False),
    JobField("spank_job_env", TABLE, "nothing: nil", writable=False),
    JobField("spank_job_env_size", U16_ZERO, "nothing: 0", writable=False),
    JobField("cron_job", BOOLEAN, "nothing: false", writable=False),
    JobField("het_job_offset", U32, "nothing: not set", writable=False, in_change=0),
    JobField("pack_job_offset", U32, "nothing: not set", writable=False, storage="het_job_offset"),
    # What is kept for those who know what to do with it
    JobField("acctg_freq", TEXT),
    JobField("admin_comment", TEXT),
    JobField("bitflags", U64_ZERO),
    JobField("cpu_freq_gov", U32),
    JobField("cpu_freq_max", U32),
    JobField("cpu_freq_min", U32),
    JobField("extra", TEXT),
    JobField("mail_type", U16_ZERO, in_change=NO_VAL16),
    JobField("mail_user", TEXT),
    JobField("power_flags", U8),
    JobField("reboot", U16),
    JobField("requeue", U16),
    JobField("selinux_context", TEXT),
    JobField("wckey", TEXT),
    JobField("default_account", ANY, "nothing: nil", writable=False),
    JobField("default_qos", ANY, "nothing: nil", writable=False),
)

FIELDS: Final[Mapping[str, JobField]] = {field.name: field for field in _TABLE}
"""The fields by their names."""

WRITERS: Final[
    tuple[tuple[frozenset[str], Callable[[JobSubject, Mapping[str, Value]], None]], ...]
] = (
    (frozenset(w.SIZE), w.size),
    (frozenset(w.PLACE), w.place),
    (frozenset(w.START), w.start),
)
"""What writes several fields at once, and the fields."""
