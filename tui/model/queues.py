"""Queues: whether they take and start jobs, how many they have, and what those may ask for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tui.model import format as fmt
from tui.model.listing import ListColumn, Listing
from tui.model.states import DONE, PENDING, RUNNING, UNSUCCESSFUL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from flux.wire.json import JsonMapping
    from tui.model.table import JobTable

UNNAMED: Final = "the queue"
"""What the queue is called of an instance that has none with a name."""
KINDS: Final = (("nnodes", "node"), ("ncores", "core"), ("ngpus", "GPU"))


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """Jobs of a queue; those that ended are counted as the headings of the job table do."""

    running: int = 0
    pending: int = 0
    done: int = 0
    failed: int = 0

    @property
    def over(self) -> int:
        """Jobs that have ended, however."""
        return self.done + self.failed


@dataclass(frozen=True, slots=True)
class ListedQueue:
    """One queue; ``name`` is empty for the one without. ``rate`` is how many of its jobs end in a
    second, None while that is not known.
    """

    name: str
    default: bool
    enabled: bool
    disable_reason: str
    started: bool
    stop_reason: str
    counts: QueueCounts
    rate: float | None
    limits: str

    @property
    def title(self) -> str:
        """The name, with a star for the one that jobs go to by themselves."""
        return f"{self.name or UNNAMED}{'*' if self.default else ''}"

    @property
    def why(self) -> str:
        """Why it is disabled or stopped."""
        parts = (
            f"disabled: {self.disable_reason}" if self.disable_reason else "",
            f"stopped: {self.stop_reason}" if self.stop_reason else "",
        )
        return "; ".join(part for part in parts if part)


def count_by_queue(table: JobTable) -> dict[str, QueueCounts]:
    """Return how many jobs each queue has, of those that the dashboard knows."""
    found: Counter[tuple[str, int]] = Counter(zip(table.queue, table.status, strict=True))
    return {
        name: QueueCounts(
            sum(found[name, status] for status in RUNNING),
            sum(found[name, status] for status in PENDING),
            sum(found[name, status] for status in DONE - UNSUCCESSFUL),
            sum(found[name, status] for status in UNSUCCESSFUL),
        )
        for name in {name for name, _ in found}
    }


def count_all(table: JobTable) -> QueueCounts:
    """Return how many jobs there are."""
    counts = table.counts
    return QueueCounts(
        sum(counts[status] for status in RUNNING),
        sum(counts[status] for status in PENDING),
        sum(counts[status] for status in DONE - UNSUCCESSFUL),
        sum(counts[status] for status in UNSUCCESSFUL),
    )


def queue(name: str, status: JsonMapping, config: JsonMapping, counts: QueueCounts) -> ListedQueue:
    """Return a queue of what ``job-manager.queue-status`` and ``config.get`` answer."""
    default = member(config, "policy", "jobspec", "defaults", "system", "queue")
    return ListedQueue(
        fmt.printable(name),
        bool(name) and name == default,
        bool(status["enable"]),
        fmt.printable(str(status.get("disable_reason") or "")),
        bool(status["start"]),
        fmt.printable(str(status.get("stop_reason") or "")),
        counts,
        None,
        limits(config, name),
    )


def limits(config: JsonMapping, name: str) -> str:
    """Return what jobs of a queue may ask for, empty if anything (flux-config-policy(5)): its own
    limits, and the general ones where it has none.
    """
    own, general = member(config, "queues", name, "policy"), config.get("policy")

    def limit(*path: str) -> object:
        found = member(own, "limits", *path)
        return member(general, "limits", *path) if found is None else found

    parts = []
    duration = limit("duration")
    if duration not in (None, 0, "0", ""):
        parts.append(f"{duration}{'s' if isinstance(duration, int | float) else ''}")
    for kind, noun in KINDS:
        least, most = limit("job-size", "min", kind), limit("job-size", "max", kind)
        low = least if isinstance(least, int) and least > 0 else 0
        high = most if isinstance(most, int) and most >= 0 else None
        if high is not None:
            parts.append(f"{low}-{high} {noun}s" if low else f"{high} {noun}{'s' * (high != 1)}")
        elif low:
            parts.append(f"at least {low} {noun}{'s' * (low != 1)}")
    return fmt.printable(", ".join(parts))


def member(table: object, *path: str) -> object:
    """Return what is at a path in a table of tables, None if it is not there."""
    for name in path:
        table = table.get(name) if isinstance(table, dict) else None
    return table


def totals(found: Sequence[ListedQueue]) -> Mapping[str, int]:
    """Return how many queues are open, disabled and stopped."""
    return {
        "open": sum(q.enabled and q.started for q in found),
        "disabled": sum(not q.enabled for q in found),
        "stopped": sum(not q.started for q in found),
    }


def queue_listing() -> Listing[ListedQueue]:
    """Return the list of queues, without any."""
    columns = (
        ListColumn[ListedQueue]("name", "QUEUE", 11, lambda q: q.title, grow=1),
        ListColumn[ListedQueue](
            "submission", "SUBMISSION", 11, lambda q: "enabled" if q.enabled else "disabled"
        ),
        ListColumn[ListedQueue](
            "scheduling", "SCHEDULING", 11, lambda q: "started" if q.started else "stopped"
        ),
        ListColumn[ListedQueue](
            "load", "JOBS", 10, lambda q: "", lambda q: -q.counts.running, rank=5, grow=2
        ),
        _number("running", "RUN", lambda q: q.counts.running),
        _number("pending", "PEND", lambda q: q.counts.pending),
        _number("done", "DONE", lambda q: q.counts.done, rank=2),
        _number("failed", "FAIL", lambda q: q.counts.failed, rank=1),
        ListColumn[ListedQueue](
            "rate",
            "ENDS/S",
            6,
            lambda q: "-" if q.rate is None else fmt.rate(q.rate),
            lambda q: -(q.rate or 0.0),
            right=True,
            rank=3,
        ),
        ListColumn[ListedQueue]("limits", "LIMITS", 12, lambda q: q.limits or "-", rank=4, grow=1),
        ListColumn[ListedQueue]("why", "REASON", 18, lambda q: q.why, rank=-1, grow=2),
    )
    return Listing(columns, lambda q: q.name, sort="name")


def _number(
    name: str, title: str, read: Callable[[ListedQueue], int], rank: int = 0
) -> ListColumn[ListedQueue]:
    return ListColumn(
        name, title, 7, lambda q: fmt.count(read(q)), lambda q: -read(q), right=True, rank=rank
    )
