"""The jobs that wait, as far as their priority goes: what each asks for, since when it could have
run, what the site adds. No I/O.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final, NamedTuple

from broker.slurm.priority.factors import MOST_NICE, Fixed, JobExtent
from flux.constants import FLUX_JOB_URGENCY_HOLD
from flux.job.describe import job_name, resource_totals, system_text, time_limit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from broker.slurm.priority.factors import Factors, MachineTotals
    from broker.slurm.priority.fair_share import ShareHolder
    from flux.job.types import EventEntry
    from flux.wire.json import JsonMapping, JsonObject

ACCOUNT: Final = "bank"
"""The attribute of a jobspec that names the account, as flux-accounting calls it."""
ACCOUNT_TOO: Final = "account"
"""The same, as Slurm calls it: it counts where there is no bank."""
QOS: Final = "qos"
NICE: Final = "nice"
ATTRIBUTES: Final = (ACCOUNT, ACCOUNT_TOO, QOS, NICE)
"""What of ``attributes.system`` may be changed while a job waits."""
COMMENT: Final = "comment"
_LONGEST_NAME: Final = 255
_NOTHING: Final = Fixed(0.0, 0.0, 0.0, 0.0, (), 0.0)


class Wishes(NamedTuple):
    """What a jobspec says that priorities are made of; empty where it says nothing."""

    account: str
    qos: str
    nice: int
    nodes: int | None
    cores: int | None
    gpus: int
    seconds: float
    name: str
    comment: str
    workdir: str


def wishes_of(jobspec: JsonObject | None, *, strict: bool = True) -> Wishes:
    """Return what a jobspec says; raises OSError(EINVAL) for an attribute that is malformed, unless
    it is not to be ``strict``: then the jobspec says nothing of it.
    """
    totals = resource_totals(jobspec)
    values: dict[str, str | int] = {}
    for key, check, nothing in _CHECKS:
        try:
            values[key] = check(key, _attribute(jobspec, key))
        except OSError:
            if strict:
                raise
            values[key] = nothing
    return Wishes(
        str(values[ACCOUNT] or values[ACCOUNT_TOO]),
        str(values[QOS]),
        int(values[NICE]),
        totals.get("node"),
        totals.get("core"),
        totals.get("gpu", 0),
        time_limit(jobspec) or 0.0,
        job_name(jobspec) or "",
        system_text(jobspec, COMMENT) or "",
        system_text(jobspec, "cwd") or "",
    )


def _attribute(jobspec: JsonObject | None, key: str) -> object:
    system = ((jobspec or {}).get("attributes") or {}).get("system")
    if not isinstance(system, dict):
        return None
    return system.get(key)


def _name(key: str, value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or not value or not value.isprintable():
        raise OSError(errno.EINVAL, f"attributes.system.{key} is a name, not {value!r:.100}")
    if len(value) > _LONGEST_NAME:
        text = f"attributes.system.{key} has more than {_LONGEST_NAME} characters"
        raise OSError(errno.EINVAL, text)
    return value


def _nice(key: str, value: object) -> int:
    if value is None:
        return 0
    if type(value) is not int or not -MOST_NICE <= value <= MOST_NICE:
        bounds = f"an integer from {-MOST_NICE} to {MOST_NICE}"
        raise OSError(errno.EINVAL, f"attributes.system.{key} is {bounds}, not {value!r:.100}")
    return value


_CHECKS: Final[tuple[tuple[str, Callable[[str, object], str | int], str | int], ...]] = (
    (ACCOUNT, _name, ""),
    (ACCOUNT_TOO, _name, ""),
    (QOS, _name, ""),
    (NICE, _nice, 0),
)


class Candidate:
    """One active job.

    ``eligible`` is since when it could run but for a lack of resources, in seconds since the epoch,
    None while it is held or depends on something; ``since`` is the same on the loop's clock, by
    which it ages. ``site`` is what the site adds, 0 until it has said so (``rated``).
    """

    __slots__ = (
        "eligible",
        "fixed",
        "id",
        "member",
        "nice",
        "qos",
        "queue",
        "rated",
        "since",
        "site",
        "size",
        "userid",
        "wishes",
    )

    def __init__(
        self, jobid: int, userid: int, member: ShareHolder, queue: str, qos: str, wishes: Wishes
    ) -> None:
        self.id = jobid
        self.userid = userid
        self.tell(member, queue, qos, wishes)
        self.size = JobExtent()
        self.fixed = _NOTHING
        self.eligible: float | None = None
        self.since: float | None = None
        self.site = 0
        self.rated = False

    def tell(self, member: ShareHolder, queue: str, qos: str, wishes: Wishes) -> None:
        """Take what the jobspec says, the first time or when it has been changed."""
        self.member = member
        self.queue = queue
        self.qos = qos
        self.nice = wishes.nice
        self.wishes = wishes

    def measure(self, factors: Factors) -> None:
        """Compute what does not change, for the machine and the configuration as they are now."""
        self.size = size_of(self.wishes, factors.totals)
        self.fixed = factors.fixed_part(self.size, self.queue, self.qos, self.member.account)

    def accrue(self, when: float, now: float, clock: float) -> None:
        """The job is eligible since ``when``; ``now`` is the time of day, ``clock`` the loop's."""
        self.eligible = when
        self.since = clock - max(0.0, now - when)

    def stop(self) -> None:
        """The job is not eligible any more."""
        self.eligible = self.since = None


def size_of(wishes: Wishes, totals: MachineTotals) -> JobExtent:
    """Return the size of a job: one that names no nodes needs one at least, one that names no cores
    has those of its nodes.
    """
    cores = wishes.cores
    if cores is None:
        each = totals.cores // totals.nodes if totals.nodes else 1
        cores = max(1, (wishes.nodes or 1) * each)
    return JobExtent(wishes.nodes or 1, cores, wishes.gpus, wishes.seconds)


def eligible_since(entries: Iterable[EventEntry]) -> float | None:
    """Return since when the job of an eventlog is eligible: its dependencies are satisfied, and it
    is not held; None if it is not.
    """
    found: float | None = None
    held = False
    depends = True
    for entry in entries:
        name, when = entry["name"], entry["timestamp"]
        context: JsonMapping = entry.get("context") or {}
        if name in ("submit", "urgency"):
            before, held = held, context.get("urgency") == FLUX_JOB_URGENCY_HOLD
            if not depends and before and not held:
                found = when
        elif name == "depend":
            depends, found = False, when
    return None if held or depends else found
