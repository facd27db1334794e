"""What ``[policy]`` and ``[queues]`` make of a submission: its queue, defaults, limits (RFC 33).

Pure, but that users and groups are looked up where access is restricted.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final, TypeVar

from msgspec import Struct

from broker.configuration.queues import UNLIMITED
from broker.jobtap.plugin import Rejected
from broker.user_groups import groups_of
from flux.constraint.match import check_constraint, joined
from flux.duration import fsd
from flux.job.describe import resource_totals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from broker.configuration import Config
    from broker.configuration.queues import PolicyConfig, QueueConfig, SizeConfig
    from flux.wire.json import JsonObject

T = TypeVar("T")

KINDS: Final = (("nnodes", "node"), ("ncores", "core"), ("ngpus", "gpu"))
"""Limits and the resource that each one counts."""


class QueuePolicy(Struct, frozen=True):
    """The rules for the jobs of one queue; seconds, 0 for no time limit.

    ``least`` and ``most`` have the limits that there are, by their keys. ``users`` and ``groups``
    are who may submit, None for everybody.
    """

    name: str = ""
    requires: tuple[str, ...] = ()
    duration: float = 0.0
    longest: float = 0.0
    least: Mapping[str, int] = {}
    most: Mapping[str, int] = {}
    users: frozenset[str] | None = None
    groups: frozenset[str] | None = None

    @property
    def acts(self) -> bool:
        """Whether there is anything to do about a job."""
        return self != QueuePolicy(self.name)


class JobPolicy:
    """The rules of all queues, and which one is the default."""

    def __init__(self, config: Config) -> None:
        general = config.policy
        self.default = general.jobspec.defaults.system.queue
        self.queues = {
            name: _policy(name, general, queue) for name, queue in config.queues.items()
        } or {"": _policy("", general, None)}
        groups_of.cache_clear()

    def choose(self, jobspec: JsonObject) -> str:
        """Return the queue that a job is for, the default one unless it names one; empty for the
        queue without a name.

        Raises OSError(EPERM) if it names none and there is no default, or names one that there is
        not, Rejected if its name is no string, or there are no queues with names.
        """
        name = _system(jobspec).get("queue")
        if name is None:
            if self.default is not None:
                return self.default
            if "" in self.queues:
                return ""
            raise OSError(errno.EPERM, "no queue specified")
        if not isinstance(name, str):
            raise Rejected("attributes.system.queue must be the name of a queue")
        if "" in self.queues:
            raise Rejected(f"'{name}' is not a valid queue")
        if name not in self.queues:
            raise OSError(errno.EPERM, f"Invalid queue '{name}' specified")
        return name

    def apply(self, name: str, jobspec: JsonObject, userid: int) -> bool:
        """Put what the queue ``name`` gives and demands into a jobspec; returns whether that
        changed it.

        Raises Rejected, with the reason, for a job that may not be in that queue.
        """
        policy = self.queues[name]
        changed = False
        if name and _system(jobspec).get("queue") is None:
            _set(jobspec, "queue", name)
            changed = True
        if not policy.acts:
            return changed
        where = f" for queue {name}" if name else ""
        _check_access(policy, userid)
        if policy.duration and not _number(_system(jobspec).get("duration")):
            _set(jobspec, "duration", policy.duration)
            changed = True
        _check_duration(policy, _number(_system(jobspec).get("duration")), where)
        if policy.least or policy.most:
            _check_size(policy, jobspec, where)
        if policy.requires:
            _set(jobspec, "constraints", _demanding(jobspec, policy.requires))
            changed = True
        return changed

    def requires(self, name: str) -> tuple[str, ...]:
        """Return the properties that the nodes of a queue have, none for one that there is not."""
        return self.queues[name].requires if name in self.queues else ()

    def check_access(self, name: str, userid: int) -> None:
        """Raise Rejected unless a user may have jobs in the queue ``name``."""
        _check_access(self.queues[name], userid)

    def check_limits(self, name: str, jobspec: JsonObject) -> None:
        """Raise Rejected, with the reason, for a job beyond the limits of the queue ``name``; one
        that is no longer configured has none.
        """
        policy = self.queues.get(name)
        if policy is not None:
            where = f" for queue {name}" if name else ""
            _check_duration(policy, _number(_system(jobspec).get("duration")), where)
            if policy.least or policy.most:
                _check_size(policy, jobspec, where)


def _demanding(jobspec: JsonObject, properties: tuple[str, ...]) -> JsonObject:
    own = _system(jobspec).get("constraints")
    try:
        check_constraint({} if own is None else own)
    except ValueError as exc:
        raise Rejected(f"attributes.system.constraints: {exc}") from None
    return joined(own, properties)


def _system(jobspec: JsonObject) -> JsonObject:
    system = (jobspec.get("attributes") or {}).get("system")
    return system if isinstance(system, dict) else {}


def _set(jobspec: JsonObject, key: str, value: object) -> None:
    attributes = jobspec["attributes"] = jobspec.get("attributes") or {}
    system = attributes["system"] = attributes.get("system") or {}
    system[key] = value


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _policy(name: str, general: PolicyConfig, queue: QueueConfig | None) -> QueuePolicy:
    """Return the rules of a queue: its own, and where it has none the general ones."""
    own = queue.policy if queue is not None else general
    access = own.access if own.access != type(own.access)() else general.access
    sizes, general_sizes = own.limits.job_size, general.limits.job_size
    longest = _first(own.limits.duration, general.limits.duration)
    defaults = own.jobspec.defaults.system.duration
    return QueuePolicy(
        name,
        queue.requires if queue is not None else (),
        _first(defaults, general.jobspec.defaults.system.duration) or 0.0,
        longest or 0.0,
        _sizes(sizes.min, general_sizes.min),
        _sizes(sizes.max, general_sizes.max),
        None if access.allow_user is None else frozenset(access.allow_user),
        None if access.allow_group is None else frozenset(access.allow_group),
    )


def _first(own: T | None, general: T | None) -> T | None:
    return general if own is None else own


def _sizes(own: SizeConfig, general: SizeConfig) -> dict[str, int]:
    sizes = {}
    for key, _ in KINDS:
        limit = _first(getattr(own, key), getattr(general, key))
        if limit is not None and limit != UNLIMITED:
            sizes[key] = limit
    return sizes


def _check_access(policy: QueuePolicy, userid: int) -> None:
    if policy.users is None and policy.groups is None:
        return
    user, groups = groups_of(userid)
    if user in (policy.users or ()) or groups & (policy.groups or frozenset()):
        return
    what = f"queue {policy.name}" if policy.name else "this instance"
    raise Rejected(f"access to {what} is restricted: user {user} may not submit to it")


def _check_duration(policy: QueuePolicy, duration: float, where: str) -> None:
    if policy.longest and not 0 < duration <= policy.longest:
        asked = fsd(duration) if duration > 0 else "unlimited"
        limit = fsd(policy.longest)
        raise Rejected(f"requested duration ({asked}) exceeds policy limit of {limit}{where}")


def _check_size(policy: QueuePolicy, jobspec: JsonObject, where: str) -> None:
    """Compare what a jobspec names with the limits: what it does not name counts as none."""
    totals = resource_totals(jobspec)
    for key, kind in KINDS:
        count = totals.get(kind, 0)
        if count > policy.most.get(key, count):
            raise Rejected(
                f"requested {key} ({count}) exceeds policy limit of {policy.most[key]}{where}"
            )
        if count < policy.least.get(key, 0):
            raise Rejected(
                f"requested {key} ({count}) is under policy limit of {policy.least[key]}{where}"
            )
