"""A job's priority: the weighted sum of its factors (the multifactor plugin of Slurm). No I/O.

Every factor is a number from 0 to 1, unless a flag says that it is not to be normalized. What does
not change while a job waits is computed once (`fixed_part`); age, fair share and what the site says
are added each time.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from broker.configuration.priority import TRES, PriorityFlag
from broker.slurm.constants import INFINITE, NICE_OFFSET
from flux.constants import FLUX_JOB_PRIORITY_MAX, FLUX_JOB_URGENCY_DEFAULT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from broker.configuration.priority import PriorityConfig

LEAST: Final = 1
"""The lowest priority of a job that is not held."""
MOST: Final = FLUX_JOB_PRIORITY_MAX - 1
"""The highest priority of a job that is not expedited."""
MOST_NICE: Final = NICE_OFFSET - 3
"""Bound of a nice value, on either side of 0 (sbatch(1))."""


class MachineTotals(Struct, frozen=True):
    """What an instance, or the nodes of a queue, have; 0 for what is not known."""

    nodes: int = 0
    cores: int = 0
    gpus: int = 0

    def of(self, name: str) -> int:
        """Return how much there is of a trackable resource."""
        return {"cpu": self.cores, "node": self.nodes, "gres/gpu": self.gpus}[name]


class JobExtent(Struct, frozen=True):
    """What a job asks for; ``seconds`` is its time limit, 0 for none."""

    nodes: int = 1
    cores: int = 1
    gpus: int = 0
    seconds: float = 0.0

    def of(self, name: str) -> int:
        """Return how much a job asks for of a trackable resource."""
        return {"cpu": self.cores, "node": self.nodes, "gres/gpu": self.gpus}[name]


class Fixed(Struct, frozen=True):
    """The factors of a job that do not change, and their weighted sum."""

    assoc: float
    job_size: float
    partition: float
    qos: float
    tres: tuple[float, ...]
    total: float


def size_factor(size: JobExtent, totals: MachineTotals, config: PriorityConfig) -> float:
    """Return the job size factor: the mean of the parts of the nodes and cores that a job asks for.

    Relative to time it is the greater one of these parts, divided by the minutes of the time limit,
    which are as good as endless without one. Where small jobs are favored, it is what is left to 1.
    """
    nodes, cores = _part(size.nodes, totals.nodes), _part(size.cores, totals.cores)
    if config.has(PriorityFlag.SMALL_RELATIVE_TO_TIME):
        factor = max(nodes, cores) / (math.ceil(size.seconds / 60) or INFINITE)
    else:
        factor = (nodes + cores) / 2
    return 1.0 - factor if config.favor_small else factor


def _part(count: float, total: float) -> float:
    return min(1.0, count / total) if total > 0 else 0.0


def normalized(value: int, all_values: Iterable[int], *, raw: bool) -> float:
    """Return a factor that is an integer of the configuration: divided by the greatest there is,
    unless it is to be ``raw``.
    """
    return float(value) if raw else _part(value, max(all_values, default=0))


class Factors:
    """Computes the factors of jobs for one configuration.

    ``totals`` are those of the instance, ``queue_totals`` of queues that have a part of it.
    """

    def __init__(
        self,
        config: PriorityConfig,
        totals: MachineTotals,
        queue_totals: Mapping[str, MachineTotals],
        queues: Iterable[str],
    ) -> None:
        self.config = config
        self.totals = totals
        self._queue_totals = queue_totals
        # A queue that the configuration says nothing of has the factor 1, as in Slurm.
        self._partitions = [config.queue.get(name, 1) for name in queues] or [1]
        self._qos = [qos.priority for qos in config.qos.values()]
        self._assocs = [account.priority for account in config.account.values()]
        self.tres_names = tuple(name for name in TRES if config.weight.tres.get(name))

    def fixed_part(self, size: JobExtent, queue: str, qos: str, account: str) -> Fixed:
        """Return the factors of a job that do not change."""
        config, weight = self.config, self.config.weight
        has = config.has
        chosen, listed = config.qos.get(qos), config.account.get(account)
        assoc = normalized(
            listed.priority if listed else 0,
            self._assocs,
            raw=has(PriorityFlag.NO_NORMAL_ASSOC),
        )
        partition = normalized(
            config.queue.get(queue, 1), self._partitions, raw=has(PriorityFlag.NO_NORMAL_PART)
        )
        quality = normalized(
            chosen.priority if chosen else 0, self._qos, raw=has(PriorityFlag.NO_NORMAL_QOS)
        )
        job_size = size_factor(size, self.totals, config)
        tres = self._tres(size, queue)
        total = (
            assoc * weight.assoc
            + job_size * weight.job_size
            + partition * weight.partition
            + quality * weight.qos
            + sum(
                factor * weight.tres[name]
                for name, factor in zip(self.tres_names, tres, strict=True)
            )
        )
        return Fixed(assoc, job_size, partition, quality, tres, total)

    def _tres(self, size: JobExtent, queue: str) -> tuple[float, ...]:
        totals = self._queue_totals.get(queue, self.totals)
        if self.config.has(PriorityFlag.NO_NORMAL_TRES):
            return tuple(float(size.of(name)) for name in self.tres_names)
        return tuple(_part(size.of(name), totals.of(name)) for name in self.tres_names)

    def nice(self, nice: int, urgency: int) -> int:
        """Return what a job's nice value and its urgency take off its priority."""
        return nice - (urgency - FLUX_JOB_URGENCY_DEFAULT) * self.config.weight.urgency


def age_factor(seconds: float, longest: float) -> float:
    """Return the age factor of a job that could have run for so many seconds; 0 if a clock was put
    back.
    """
    return min(1.0, max(0.0, seconds / longest))


def priority_of(weighted: float, site: int, nice: int) -> int:
    """Return a priority: the weighted sum and the site's value less the nice value, cut to an
    integer that neither holds a job nor expedites it.
    """
    return int(min(MOST, max(LEAST, weighted + site - nice)))
