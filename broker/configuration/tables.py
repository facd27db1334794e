"""The tables of a configuration: every key that acts, and why others are refused.

A field is a key, with dashes unless the class says otherwise; its annotation has the check of its
value (`broker.configuration.checks`).
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Final, cast

from msgspec import Struct, field

from broker.configuration.bootstrap import BootstrapConfig, bootstrap_table
from broker.configuration.checks import (
    GREATEST_ID,
    GREATEST_RANK,
    Setting,
    boolean,
    checks_of,
    duration,
    hostlist,
    idset,
    integer,
    longer_than_0,
    nearest,
    one_of,
    property_names,
    read_table,
    refused,
    table_of,
    text,
    texts,
)
from broker.configuration.document import Document
from broker.configuration.job_submit import JobSubmitConfig, job_submit_table
from broker.configuration.priority import PriorityConfig, check_queue_factors, priority_table
from broker.configuration.queues import (
    PolicyConfig,
    QueueConfig,
    check_default_queue,
    check_limits,
    queue_tables,
)
from flux.wire.json import JsonObject


class AccessConfig(Struct, frozen=True, rename="kebab"):
    """``[access]``: who else may use the instance."""

    allow_guest_user: Annotated[bool, boolean] = False
    allow_root_owner: Annotated[bool, boolean] = False


class ArchiveConfig(Struct, frozen=True):
    """``[archive]``: ended jobs are copied to the SQLite file ``dbpath`` every ``period`` seconds;
    ``busytimeout`` is how many seconds to wait for others that use the file.
    """

    busytimeout: Annotated[float | None, duration] = None
    dbpath: Annotated[str | None, text] = None
    period: Annotated[float | None, longer_than_0] = None


class ExecConfig(Struct, frozen=True, rename="kebab"):
    """``[exec]``: how jobs are run; ``kill_timeout`` is in seconds, ``job_shell`` the program that
    runs jobs which name none, ``imp`` the path of the helper that flux-core starts other users'
    jobs with, and nothing else.
    """

    kill_timeout: Annotated[float | None, duration] = None
    job_shell: Annotated[str | None, text] = None
    imp: Annotated[str | None, text] = None


class ValidatorConfig(Struct, frozen=True, rename="kebab"):
    """``[ingest.validator]``: the checks of jobspecs by plugins."""

    disable: Annotated[bool, boolean] = False
    plugins: Annotated[tuple[str, ...] | None, texts] = None
    args: Annotated[tuple[str, ...] | None, texts] = None
    workers: Annotated[int | None, integer(1, 64)] = None


class IngestConfig(Struct, frozen=True, rename="kebab"):
    """``[ingest]``: how submissions are taken in."""

    batch_count: Annotated[int | None, integer(1, 1 << 20)] = None
    validator: Annotated[ValidatorConfig, table_of(ValidatorConfig)] = ValidatorConfig()


class KvsConfig(Struct, frozen=True, rename="kebab"):
    """``[kvs]``: ``checkpoint_period`` is within how many seconds a change is made durable."""

    checkpoint_period: Annotated[float | None, longer_than_0] = None


class PluginDirective(Struct, frozen=True):
    """One element of ``job-manager.plugins``: what to remove, then what to load and with what."""

    remove: str | None = None
    load: str | None = None
    conf: JsonObject | None = None


_DIRECTIVE_KEYS: Final = {"remove": None, "load": None, "conf": None}


def _directive(node: Setting) -> PluginDirective:
    found: dict[str, Setting] = {}
    for key, member in node.members():
        if key not in _DIRECTIVE_KEYS:
            raise refused(member, _DIRECTIVE_KEYS)
        found[key] = member
    if "load" not in found and ("conf" in found or "remove" not in found):
        raise node.error("load is missing")
    conf = found.get("conf")
    return PluginDirective(
        text(found["remove"]) if "remove" in found else None,
        text(found["load"]) if "load" in found else None,
        {key: member.value for key, member in conf.members()} if conf else None,
    )


def _directives(node: Setting) -> tuple[PluginDirective, ...]:
    return tuple(_directive(element) for element in node.elements())


class HousekeepingConfig(Struct, frozen=True, rename="kebab"):
    """``[job-manager.housekeeping]``: the command that runs on the nodes of a job when it is over,
    empty for none; ``release_after`` is in seconds, None for nodes that are given back together.
    """

    command: Annotated[tuple[str, ...], texts] = ()
    release_after: Annotated[float | None, duration] = None


def _housekeeping(node: Setting) -> HousekeepingConfig:
    return read_table(node, HousekeepingConfig)


class JobManagerConfig(Struct, frozen=True, rename="kebab"):
    """``[job-manager]``: plugins, what tidies up after jobs, and the limits beyond which inactive
    jobs are purged, None for no limit.

    ``inactive_age_limit`` is in seconds, given as a Flux standard duration; ``inactive_num_limit``
    is how many are kept.
    """

    inactive_age_limit: Annotated[float | None, duration] = None
    inactive_num_limit: Annotated[int | None, integer(0)] = None
    plugins: Annotated[tuple[PluginDirective, ...], _directives] = ()
    housekeeping: Annotated[HousekeepingConfig, _housekeeping] = HousekeepingConfig()


class ResourceEntry(Struct, frozen=True):
    """An element of ``resource.config``: what some hosts have, cores and GPUs as idsets."""

    hosts: Annotated[tuple[str, ...], hostlist] = ()
    cores: Annotated[str, idset] = ""
    gpus: Annotated[str, idset] = ""
    properties: Annotated[tuple[str, ...], property_names] = ()


def _resource_entries(node: Setting) -> tuple[ResourceEntry, ...]:
    entries, cored = [], set[str]()
    for element in node.elements():
        entry = read_table(element, ResourceEntry)
        if not entry.hosts:
            raise element.error("hosts is missing")
        entries.append(entry)
        if entry.cores:
            cored.update(entry.hosts)
    for index, entry in enumerate(entries):
        for host in entry.hosts:
            if host not in cored:
                raise node.child(index, None).error(f"no element says which cores {host} has")
    return tuple(entries)


class ResourceConfig(Struct, frozen=True, rename="kebab"):
    """``[resource]``: what the instance has, instead of or beside what its brokers find."""

    config: Annotated[tuple[ResourceEntry, ...], _resource_entries] = ()
    path: Annotated[str | None, text] = None
    exclude: Annotated[str | None, text] = None
    norestrict: Annotated[bool, boolean] = False
    noverify: Annotated[bool, boolean] = False


class FakeResourcesConfig(Struct, frozen=True, rename="kebab"):
    """``[fake-resources]``: ``nnodes`` equal nodes that are not there, for tests of scheduling,
    instead of what the brokers have. ``hwloc_xml_path`` is a file with what each node is like, in
    place of the numbers of cores and GPUs, ``amend_r`` the function that changes the R before it
    counts: ``MODULE:NAME``, or the file whose ``amend`` it is.
    """

    nnodes: Annotated[int, integer(1, GREATEST_RANK)] = 0
    cores_per_node: Annotated[int, integer(0, GREATEST_ID)] = 64
    gpus_per_node: Annotated[int, integer(0, GREATEST_ID)] = 0
    host_prefix: Annotated[str, text] = "fake"
    hwloc_xml_path: Annotated[str | None, text] = None
    amend_r: Annotated[str | None, text] = None


def _fake_resources(node: Setting) -> FakeResourcesConfig:
    table = read_table(node, FakeResourcesConfig)
    if not table.nnodes:
        raise node.error("nnodes is missing")
    return table


def _check_one_source(root: Setting, config: "Config") -> None:
    """Raise OSError(EINVAL) if there are fake resources and others."""
    for key in ("config", "path"):
        if config.fake_resources is not None and getattr(config.resource, key):
            node = root.child("resource", None).child(key, None)
            raise node.error("[fake-resources] says already what there is")


def _mode(node: Setting) -> str:
    value = text(node)
    kind, equals, limit = value.partition("=")
    limited = kind == "limited" and equals and limit.isascii() and limit.isdecimal()
    if value not in ("single", "unlimited") and not (limited and 0 < int(limit) < 1 << 31):
        raise node.error('must be "single", "unlimited" or "limited=N"')
    return value


class SchedSimpleConfig(Struct, frozen=True, rename="kebab"):
    """``[sched-simple]``: how many requests the job manager may have waiting at the scheduler,
    which ranks are taken first, and whether jobs behind one that waits may start.
    """

    mode: Annotated[str | None, _mode] = None
    alloc_mode: Annotated[str | None, one_of("worst-fit", "best-fit", "first-fit")] = None
    queue_policy: Annotated[str | None, one_of("fcfs", "easy")] = None


def _check_mode(root: Setting, config: "Config") -> None:
    """Raise OSError(EINVAL) if the scheduler takes fewer requests at a time than there are queues,
    some of which would then wait for the others.
    """
    mode = config.sched_simple.mode or ""
    limit = 1 if mode == "single" else int(mode.partition("=")[2] or len(config.queues))
    if limit < len(config.queues):
        node = root.child("sched-simple", None).child("mode", None)
        raise node.error(f"must allow a request for each of the {len(config.queues)} queues")


class TbonConfig(Struct, frozen=True):
    """``[tbon]``: the links of the tree; durations are in seconds."""

    connect_timeout: Annotated[float | None, duration] = None
    keepalive_count: Annotated[int | None, integer(1, 127)] = None
    keepalive_idle: Annotated[int | None, integer(1, 32767)] = None
    keepalive_interval: Annotated[int | None, integer(1, 32767)] = None
    tcp_user_timeout: Annotated[float | None, duration] = None
    zmqdebug: Annotated[int | None, integer(0, 1)] = None


_NO_UNITS: Final = "jobs are not run as units of systemd"
_SILENT: Final = "a silent neighbour is lost after the time in attribute overlay.timeout"
REFUSALS: Final[Mapping[str, str]] = {
    "exec.sdexec-constrain-resources": _NO_UNITS,
    "exec.sdexec-properties": _NO_UNITS,
    "exec.sdexec-stop-timer-sec": _NO_UNITS,
    "exec.sdexec-stop-timer-signal": _NO_UNITS,
    "exec.service-override": _NO_UNITS,
    "exec.service": "jobs are started by the shell hosts of the brokers",
    "ingest.frobnicator": "jobspecs are not changed on their way in: give defaults to flux mini",
    "job-manager.epilog": (
        "no command is a part of a job's end: [job-manager.housekeeping] runs one on its nodes"
        " when it is over"
    ),
    "job-manager.perilog": "no command runs before a job starts, or as a part of its end",
    "job-manager.prolog": "no command runs on the nodes of a job before it starts",
    "kvs.gc-threshold": "the store is collected while the instance runs: content.collect-growth",
    "policy.scheduler": "the scheduler's options are in [sched-simple]",
    "tbon.child_rcvhwm": "what waits for a neighbour is bounded in bytes, not in messages",
    "tbon.interface-hint": "[bootstrap] names the endpoint of each broker",
    "tbon.topo": "the shape of the tree is in attribute tbon.topo",
    "tbon.torpid_max": _SILENT,
    "tbon.torpid_min": _SILENT,
    "tbon.zmq_io_threads": "one thread does the input and output of the tree",
}
"""What flux-core knows and nothing here acts on: the sentence that a file with it is told."""


class Config(Struct, frozen=True, rename="kebab"):
    """A broker's configuration: the tables that are checked, and all that was read.

    ``given`` is what the command line added to the files.
    """

    access: Annotated[AccessConfig, table_of(AccessConfig)] = AccessConfig()
    archive: Annotated[ArchiveConfig, table_of(ArchiveConfig)] = ArchiveConfig()
    bootstrap: Annotated[BootstrapConfig | None, bootstrap_table] = None
    exec: Annotated[ExecConfig, table_of(ExecConfig)] = ExecConfig()
    fake_resources: Annotated[FakeResourcesConfig | None, _fake_resources] = None
    ingest: Annotated[IngestConfig, table_of(IngestConfig)] = IngestConfig()
    job_manager: Annotated[JobManagerConfig, table_of(JobManagerConfig)] = JobManagerConfig()
    job_submit: Annotated[JobSubmitConfig, job_submit_table] = JobSubmitConfig()
    kvs: Annotated[KvsConfig, table_of(KvsConfig)] = KvsConfig()
    policy: Annotated[PolicyConfig, table_of(PolicyConfig)] = PolicyConfig()
    priority: Annotated[PriorityConfig | None, priority_table] = None
    queues: Annotated[dict[str, QueueConfig], queue_tables] = field(default_factory=dict)
    resource: Annotated[ResourceConfig, table_of(ResourceConfig)] = ResourceConfig()
    sched_simple: Annotated[SchedSimpleConfig, table_of(SchedSimpleConfig)] = SchedSimpleConfig()
    tbon: Annotated[TbonConfig, table_of(TbonConfig)] = TbonConfig()
    tables: JsonObject = field(default_factory=dict)
    given: JsonObject = field(default_factory=dict)


def checked(document: Document, given: JsonObject | None = None) -> Config:
    """Return what a document says, of which the command line has ``given`` a part.

    Tables that nothing here knows are kept for modules and ``flux config get``, unless they are
    named so much like one of ours that they are meant to be it. Raises OSError(EINVAL) with file,
    line and key.
    """
    known = checks_of(Config)
    values: dict[str, object] = {}
    root = Setting(document.tables, (), document, REFUSALS)
    for key, node in root.members():
        if key in known:
            name, check = known[key]
            values[name] = check(node)
        elif key in REFUSALS or not isinstance(node.value, dict) or nearest(key, known):
            raise refused(node, known)
    config = cast("Callable[..., Config]", Config)(
        **values, tables=document.tables, given=given or {}
    )
    check_default_queue(root, config.policy, config.queues)
    _check_mode(root, config)
    _check_one_source(root, config)
    check_limits(root, config.policy, config.queues)
    check_queue_factors(root, config.priority, config.queues)
    return config
