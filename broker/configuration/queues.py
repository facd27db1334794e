"""``[policy]`` and ``[queues.NAME]``: named queues, and what jobs may ask for (RFC 33)."""

from collections.abc import Mapping
from typing import Annotated, Final, TypeVar

from msgspec import Struct

from broker.configuration.checks import (
    Setting,
    integer,
    property_names,
    read_table,
    table_of,
    text,
    texts,
)
from broker.configuration.checks import (
    duration as seconds,
)
from flux.duration import parse_fsd

T = TypeVar("T", int, float)

UNLIMITED: Final = -1
"""A limit of this size is none, even where ``[policy]`` sets one."""
_NAME_EXTRA: Final = frozenset("-_.")


def _limit(node: Setting) -> int:
    return integer(UNLIMITED, (1 << 31) - 1)(node)


def _duration_limit(node: Setting) -> float:
    """Return a limit in seconds, 0 for none."""
    length = parse_fsd(node.value) if node.value == "inf" else seconds(node)
    return 0.0 if length == float("inf") else length


class SizeConfig(Struct, frozen=True):
    """Numbers of nodes, cores and GPUs; None says nothing, -1 that there is no limit."""

    nnodes: Annotated[int | None, _limit] = None
    ncores: Annotated[int | None, _limit] = None
    ngpus: Annotated[int | None, _limit] = None


class JobSizeConfig(Struct, frozen=True):
    """``job-size``: how much a job may and has to ask for."""

    min: Annotated[SizeConfig, table_of(SizeConfig)] = SizeConfig()
    max: Annotated[SizeConfig, table_of(SizeConfig)] = SizeConfig()


def _job_size(node: Setting) -> JobSizeConfig:
    found = read_table(node, JobSizeConfig)
    for kind in SizeConfig.__struct_fields__:
        least, most = getattr(found.min, kind), getattr(found.max, kind)
        if least is not None and most is not None and least > most >= 0:
            raise node.error(f"min.{kind} is greater than max.{kind}")
    return found


class LimitsConfig(Struct, frozen=True, rename="kebab"):
    """``limits``: what a job may ask for; the duration is in seconds, 0 for no limit."""

    duration: Annotated[float | None, _duration_limit] = None
    job_size: Annotated[JobSizeConfig, _job_size] = JobSizeConfig()


class SystemDefaults(Struct, frozen=True):
    """``jobspec.defaults.system``: attributes of jobs that do not have them; seconds, a name."""

    duration: Annotated[float | None, seconds] = None
    queue: Annotated[str | None, text] = None


class JobspecDefaults(Struct, frozen=True):
    """``jobspec.defaults``."""

    system: Annotated[SystemDefaults, table_of(SystemDefaults)] = SystemDefaults()


class JobspecConfig(Struct, frozen=True):
    """``jobspec``."""

    defaults: Annotated[JobspecDefaults, table_of(JobspecDefaults)] = JobspecDefaults()


class AccessPolicy(Struct, frozen=True, rename="kebab"):
    """``access``: the users and groups that may submit; everybody if neither is given."""

    allow_user: Annotated[tuple[str, ...] | None, texts] = None
    allow_group: Annotated[tuple[str, ...] | None, texts] = None


class PolicyConfig(Struct, frozen=True):
    """``[policy]``, and what a queue has instead of it."""

    access: Annotated[AccessPolicy, table_of(AccessPolicy)] = AccessPolicy()
    jobspec: Annotated[JobspecConfig, table_of(JobspecConfig)] = JobspecConfig()
    limits: Annotated[LimitsConfig, table_of(LimitsConfig)] = LimitsConfig()


def _queue_policy(node: Setting) -> PolicyConfig:
    found = read_table(node, PolicyConfig)
    if found.jobspec.defaults.system.queue is not None:
        place = node.child("jobspec", None).child("defaults", None).child("system", None)
        raise place.child("queue", None).error("a queue has no default queue: say it in [policy]")
    return found


class QueueConfig(Struct, frozen=True):
    """``[queues.NAME]``: ``requires`` are the properties of the nodes that its jobs run on."""

    requires: Annotated[tuple[str, ...], property_names] = ()
    policy: Annotated[PolicyConfig, _queue_policy] = PolicyConfig()


def queue_tables(node: Setting) -> dict[str, QueueConfig]:
    """Return the queues by name; raises OSError(EINVAL) for what cannot be a queue."""
    queues = {}
    for name, member in node.members():
        if not is_queue_name(name):
            raise member.error("the name of a queue is made of letters, digits, '-', '_' and '.'")
        queues[name] = read_table(member, QueueConfig)
    return queues


def is_queue_name(name: str) -> bool:
    """Whether a queue may be called so."""
    return bool(name) and all(char.isalnum() or char in _NAME_EXTRA for char in name)


def check_default_queue(
    root: Setting, policy: PolicyConfig, queues: Mapping[str, QueueConfig]
) -> None:
    """Raise OSError(EINVAL) if the default queue is not one of those there are."""
    name = policy.jobspec.defaults.system.queue
    if name is not None and name not in queues:
        node = root
        for step in ("policy", "jobspec", "defaults", "system", "queue"):
            node = node.child(step, None)
        raise node.error(f"there is no [queues.{name}]")


def check_limits(root: Setting, policy: PolicyConfig, queues: Mapping[str, QueueConfig]) -> None:
    """Raise OSError(EINVAL) for defaults and limits that no job could meet together, where a queue
    has some of its own and takes the others from ``[policy]``.
    """
    _check_together(root.child("policy", None), policy, policy)
    for name, queue in queues.items():
        node = root.child("queues", None).child(name, None).child("policy", None)
        _check_together(node, queue.policy, policy)


def _check_together(node: Setting, own: PolicyConfig, general: PolicyConfig) -> None:
    limits = node.child("limits", None)
    longest = _own(own.limits.duration, general.limits.duration)
    given = _own(own.jobspec.defaults.system.duration, general.jobspec.defaults.system.duration)
    if longest and given and given > longest:
        if own.limits.duration is not None:
            problem = "is less than what jobs without a time limit get"
            raise limits.child("duration", None).error(problem)
        place = node.child("jobspec", None).child("defaults", None).child("system", None)
        raise place.child("duration", None).error("is greater than limits.duration of [policy]")
    least, most = own.limits.job_size.min, own.limits.job_size.max
    for kind in SizeConfig.__struct_fields__:
        low = _own(getattr(least, kind), getattr(general.limits.job_size.min, kind))
        high = _own(getattr(most, kind), getattr(general.limits.job_size.max, kind))
        if low is not None and high is not None and low > high >= 0:
            problem = f"min.{kind} is greater than max.{kind}, one of which is from [policy]"
            raise limits.child("job-size", None).error(problem)


def _own(value: T | None, general: T | None) -> T | None:
    return general if value is None else value
