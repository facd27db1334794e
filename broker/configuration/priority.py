"""``[priority]``: priorities of several factors, in the terms of Slurm's priority/multifactor."""

import math
from collections.abc import Callable, Mapping
from enum import Flag, auto
from typing import Annotated, Final, TypeVar

from msgspec import Struct, field

from broker.configuration.checks import (
    Setting,
    boolean,
    duration,
    integer,
    longer_than_0,
    one_of,
    read_table,
    refused,
    table_of,
    text,
    texts,
)
from broker.configuration.document import Document
from flux.wire.json import JsonMapping

T = TypeVar("T")

DAY: Final = 86400.0
ROOT: Final = "root"
"""The account above all others."""
MOST_WEIGHT: Final = (1 << 32) - 1
MOST_FACTOR: Final = 65533
MOST_SHARES: Final = (1 << 31) - 1
TRES: Final = {"cpu": "core", "node": "node", "gres/gpu": "gpu"}
"""The trackable resources, as Slurm calls them, and what they are in a jobspec."""
RESETS: Final = ("none", "now", "daily", "weekly", "monthly", "quarterly", "yearly")


class PriorityFlag(Flag):
    """What changes how factors are computed (PriorityFlags of slurm.conf(5))."""

    ACCRUE_ALWAYS = auto()
    DEPTH_OBLIVIOUS = auto()
    INCR_ONLY = auto()
    NO_FAIR_TREE = auto()
    NO_NORMAL_ASSOC = auto()
    NO_NORMAL_PART = auto()
    NO_NORMAL_QOS = auto()
    NO_NORMAL_TRES = auto()
    SMALL_RELATIVE_TO_TIME = auto()
    NO_NORMAL_ALL = NO_NORMAL_ASSOC | NO_NORMAL_PART | NO_NORMAL_QOS | NO_NORMAL_TRES


NO_FLAGS: Final = PriorityFlag(0)
_FLAGS_REFUSED: Final = {
    "CALCULATE_RUNNING": "the priority of a running job has no effect",
    "MAX_TRES": "usage is counted in cores: there are no weights for billing",
}


def _flags(node: Setting) -> PriorityFlag:
    found = NO_FLAGS
    for element in node.elements():
        name = text(element)
        if name in _FLAGS_REFUSED:
            raise element.error(f"{name}: {_FLAGS_REFUSED[name]}")
        if name not in PriorityFlag.__members__:
            known = ", ".join(PriorityFlag.__members__)
            raise element.error(f"there is no flag {name}: there are {known}")
        found |= PriorityFlag[name]
    return found


def _named(check: Callable[[Setting], T]) -> Callable[[Setting], dict[str, T]]:
    """Return the check of a table whose keys are names."""

    def table(node: Setting) -> dict[str, T]:
        found = {}
        for name, member in node.members():
            if not name or not name.isprintable():
                raise member.error("a name is printable, and not empty")
            found[name] = check(member)
        return found

    return table


def _tres_weight(node: Setting) -> float:
    """Return a weight, which may be negative."""
    value = node.value
    if isinstance(value, int | float) and not isinstance(value, bool):
        weight = float(value)
        if -MOST_WEIGHT <= weight <= MOST_WEIGHT:
            return weight
    raise node.error(f"must be a number, {-MOST_WEIGHT} to {MOST_WEIGHT}")


def _tres(node: Setting) -> dict[str, float]:
    found = {}
    for name, member in node.members():
        if name not in TRES:
            raise refused(member, TRES)
        found[name] = _tres_weight(member)
    return found


_weight = integer(0, MOST_WEIGHT)


class WeightConfig(Struct, frozen=True, rename="kebab"):
    """``[priority.weight]``: what each factor, 0 to 1, is multiplied by (PriorityWeightAge and
    others); ``urgency`` is what one step of the urgency from the default is worth.
    """

    age: Annotated[int, _weight] = 0
    assoc: Annotated[int, _weight] = 0
    fairshare: Annotated[int, _weight] = 0
    job_size: Annotated[int, _weight] = 0
    partition: Annotated[int, _weight] = 0
    qos: Annotated[int, _weight] = 0
    urgency: Annotated[int, _weight] = 1
    tres: Annotated[dict[str, float], _tres] = field(default_factory=dict)


_factor = integer(0, MOST_FACTOR)
_shares = integer(0, MOST_SHARES)


class QosConfig(Struct, frozen=True, rename="kebab"):
    """``[priority.qos.NAME]``: a quality of service; ``allow_user`` are who may ask for it, None
    for everybody.
    """

    priority: Annotated[int, integer(0, MOST_WEIGHT)] = 0
    allow_user: Annotated[tuple[str, ...] | None, texts] = None


class AccountConfig(Struct, frozen=True, rename="kebab"):
    """``[priority.account.NAME]``: its part of what its parent has, and the parts of its users by
    their names; those that are not listed have one share. ``priority`` is that of the association.
    """

    parent: Annotated[str, text] = ROOT
    shares: Annotated[int, _shares] = 1
    priority: Annotated[int, integer(0, MOST_WEIGHT)] = 0
    user: Annotated[dict[str, int], _named(_shares)] = field(default_factory=dict)


class PriorityConfig(Struct, frozen=True, rename="kebab"):
    """``[priority]``; seconds where Slurm has minutes or days, ``decay_half_life`` 0 for no decay.

    ``queue`` has the factors of queues (PriorityJobFactor), 1 where there is none.
    """

    type: Annotated[str, one_of("multifactor", "basic")] = "multifactor"
    calc_period: Annotated[float, longer_than_0] = 300.0
    decay_half_life: Annotated[float, duration] = 7 * DAY
    usage_reset_period: Annotated[str, one_of(*RESETS)] = "none"
    favor_small: Annotated[bool, boolean] = False
    max_age: Annotated[float, longer_than_0] = 7 * DAY
    fairshare_dampening_factor: Annotated[int, integer(1, MOST_FACTOR)] = 1
    flags: Annotated[PriorityFlag, _flags] = NO_FLAGS
    default_account: Annotated[str, text] = "default"
    default_qos: Annotated[str, text] = "normal"
    site_factor_plugin: Annotated[str | None, text] = None
    site_factor_parameters: Annotated[str | None, text] = None
    site_factor_path: Annotated[tuple[str, ...], texts] = ()
    site_factor_timeout: Annotated[float, longer_than_0] = 5.0
    weight: Annotated[WeightConfig, table_of(WeightConfig)] = WeightConfig()
    queue: Annotated[dict[str, int], _named(_factor)] = field(default_factory=dict)
    qos: Annotated[dict[str, QosConfig], _named(table_of(QosConfig))] = field(default_factory=dict)
    account: Annotated[dict[str, AccountConfig], _named(table_of(AccountConfig))] = field(
        default_factory=dict
    )

    @property
    def acts(self) -> bool:
        """Whether priorities have several factors."""
        return self.type == "multifactor"

    def has(self, flag: PriorityFlag) -> bool:
        """Whether a flag is set."""
        return flag in self.flags


def priority_table(node: Setting) -> PriorityConfig:
    """Return the check of ``[priority]``; raises OSError(EINVAL) for what cannot be together."""
    found = read_table(node, PriorityConfig)
    if not found.decay_half_life and found.usage_reset_period == "none":
        problem = "of 0, usage that never decays, needs a usage-reset-period"
        raise node.child("decay-half-life", None).error(problem)
    if found.qos and found.default_qos not in found.qos and "default-qos" in _keys(node):
        raise node.child("default-qos", None).error(
            f"there is no [priority.qos.{found.default_qos}]"
        )
    _check_accounts(node, found.account)
    return found


def _keys(node: Setting) -> set[str]:
    return {key for key, _ in node.members()}


def _check_accounts(node: Setting, accounts: Mapping[str, AccountConfig]) -> None:
    """Raise OSError(EINVAL) unless every account is below `ROOT`."""
    tables = node.child("account", None)
    if ROOT in accounts:
        raise tables.child(ROOT, None).error("is above all others, and has no shares")
    for name, account in accounts.items():
        place = tables.child(name, None).child("parent", None)
        seen, above = {name}, account.parent
        while above != ROOT:
            if above not in accounts:
                raise place.error(f"there is no [priority.account.{above}]")
            if above in seen:
                raise place.error("leads back to the account")
            seen.add(above)
            above = accounts[above].parent


def check_queue_factors(
    root: Setting, config: PriorityConfig | None, queues: Mapping[str, object]
) -> None:
    """Raise OSError(EINVAL) for the factor of a queue that there is not."""
    for name in config.queue if config is not None else ():
        if name not in queues:
            place = root.child("priority", None).child("queue", None).child(name, None)
            raise place.error(f"there is no [queues.{name}]")


def parse_priority(table: JsonMapping) -> PriorityConfig:
    """Return a table ``[priority]`` that is not in a file; raises OSError(EINVAL)."""
    return priority_table(Setting(dict(table), ("priority",), Document([]), {}))


def half_life_rate(config: PriorityConfig) -> float:
    """Return the part of usage that is forgotten in a second, as the exponent of e."""
    return math.log(2) / config.decay_half_life if config.decay_half_life else 0.0
