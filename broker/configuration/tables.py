"""The tables of a configuration: every key that acts, and why others are refused."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Final, cast

from broker.configuration.bootstrap import BootstrapConfig, bootstrap_table
from broker.configuration.checks import (
    CHECK,
    KEY,
    Setting,
    boolean,
    duration,
    integer,
    nearest,
    refused,
    setting,
    table_of,
    text,
    texts,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from broker.configuration.document import Document
    from flux.wire.json import JsonObject


@dataclass(frozen=True)
class AccessConfig:
    """``[access]``: who else may use the instance."""

    allow_guest_user: bool = setting("allow-guest-user", boolean, False)
    allow_root_owner: bool = setting("allow-root-owner", boolean, False)


@dataclass(frozen=True)
class ExecConfig:
    """``[exec]``: how jobs are run; ``kill_timeout`` is in seconds."""

    kill_timeout: float | None = setting("kill-timeout", duration, None)


@dataclass(frozen=True)
class ValidatorConfig:
    """``[ingest.validator]``: the checks of jobspecs by plugins."""

    disable: bool = setting("disable", boolean, False)
    plugins: tuple[str, ...] | None = setting("plugins", texts, None)
    args: tuple[str, ...] | None = setting("args", texts, None)
    workers: int | None = setting("workers", integer(1, 64), None)


@dataclass(frozen=True)
class IngestConfig:
    """``[ingest]``: how submissions are taken in."""

    batch_count: int | None = setting("batch-count", integer(1, 1 << 20), None)
    validator: ValidatorConfig = setting("validator", table_of(ValidatorConfig), ValidatorConfig())


@dataclass(frozen=True)
class PluginDirective:
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


@dataclass(frozen=True)
class JobManagerConfig:
    """``[job-manager]``: plugins, and the limits beyond which inactive jobs are purged, None for no
    limit.

    ``inactive_age_limit`` is in seconds, given as a Flux standard duration; ``inactive_num_limit``
    is how many are kept.
    """

    inactive_age_limit: float | None = setting("inactive-age-limit", duration, None)
    inactive_num_limit: int | None = setting("inactive-num-limit", integer(0), None)
    plugins: tuple[PluginDirective, ...] = setting("plugins", _directives, ())


@dataclass(frozen=True)
class ResourceConfig:
    """``[resource]``: what the instance has, instead of or beside what its brokers find."""

    path: str | None = setting("path", text, None)
    exclude: str | None = setting("exclude", text, None)
    norestrict: bool = setting("norestrict", boolean, False)
    noverify: bool = setting("noverify", boolean, False)


def _mode(node: Setting) -> str:
    value = text(node)
    kind, equals, limit = value.partition("=")
    limited = kind == "limited" and equals and limit.isascii() and limit.isdecimal()
    if value not in ("single", "unlimited") and not (limited and 0 < int(limit) < 1 << 31):
        raise node.error('must be "single", "unlimited" or "limited=N"')
    return value


@dataclass(frozen=True)
class SchedSimpleConfig:
    """``[sched-simple]``: how many requests the job manager may have waiting at the scheduler."""

    mode: str | None = setting("mode", _mode, None)


@dataclass(frozen=True)
class TbonConfig:
    """``[tbon]``: the links of the tree; durations are in seconds."""

    connect_timeout: float | None = setting("connect_timeout", duration, None)
    keepalive_count: int | None = setting("keepalive_count", integer(1, 127), None)
    keepalive_idle: int | None = setting("keepalive_idle", integer(1, 32767), None)
    keepalive_interval: int | None = setting("keepalive_interval", integer(1, 32767), None)
    tcp_user_timeout: float | None = setting("tcp_user_timeout", duration, None)
    zmqdebug: int | None = setting("zmqdebug", integer(0, 1), None)


@dataclass(frozen=True)
class NoKeys:
    """A table of which no key acts yet."""


_QUEUES: Final = "named queues are not built yet: jobs wait in the one queue of flux-queue(1)"
_POLICY: Final = "limits and defaults for jobs are not built yet"
_ARCHIVE: Final = (
    "there is no job-archive module: ended jobs stay in the KVS, which flux dump writes to a file"
)
_NOT_HERE: Final = "this instance runs as one user, its owner, and starts jobs by itself"

REFUSALS: Final[Mapping[str, str]] = {
    "archive": _ARCHIVE,
    "exec.imp": _NOT_HERE,
    "exec.job-shell": "the job shell is part of the broker",
    "exec.service": "jobs are started by the shell hosts of the brokers",
    "ingest.frobnicator": "jobspecs are not changed on their way in: give defaults to flux mini",
    "kvs": "the KVS writes its checkpoints by itself: see content.* in flux lsattr",
    "policy": _POLICY,
    "queues.*": _QUEUES,
    "tbon.torpid_max": "a silent neighbour is lost after the time in attribute overlay.timeout",
    "tbon.torpid_min": "a silent neighbour is lost after the time in attribute overlay.timeout",
}
"""What flux-core knows and nothing here acts on: the sentence that a file with it is told."""


@dataclass(frozen=True)
class Config:
    """A broker's configuration: the tables that are checked, and all that was read."""

    access: AccessConfig = setting("access", table_of(AccessConfig), AccessConfig())
    bootstrap: BootstrapConfig | None = setting("bootstrap", bootstrap_table, None)
    exec: ExecConfig = setting("exec", table_of(ExecConfig), ExecConfig())
    ingest: IngestConfig = setting("ingest", table_of(IngestConfig), IngestConfig())
    job_manager: JobManagerConfig = setting(
        "job-manager", table_of(JobManagerConfig), JobManagerConfig()
    )
    queues: NoKeys = setting("queues", table_of(NoKeys), NoKeys())
    resource: ResourceConfig = setting("resource", table_of(ResourceConfig), ResourceConfig())
    sched_simple: SchedSimpleConfig = setting(
        "sched-simple", table_of(SchedSimpleConfig), SchedSimpleConfig()
    )
    tbon: TbonConfig = setting("tbon", table_of(TbonConfig), TbonConfig())
    tables: JsonObject = field(default_factory=dict)


def checked(document: Document) -> Config:
    """Return what a document says.

    Tables that nothing here knows are kept for modules and ``flux config get``, unless they are
    named so much like one of ours that they are meant to be it. Raises OSError(EINVAL) with file,
    line and key.
    """
    known = {item.metadata[KEY]: item for item in fields(Config) if KEY in item.metadata}
    values: dict[str, object] = {}
    for key, node in Setting(document.tables, (), document, REFUSALS).members():
        if key in known:
            values[known[key].name] = known[key].metadata[CHECK](node)
        elif key in REFUSALS or not isinstance(node.value, dict) or nearest(key, known):
            raise refused(node, known)
    return cast("Callable[..., Config]", Config)(**values, tables=document.tables)
