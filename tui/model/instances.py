"""The tree of instances: this one, and those in its batch and alloc jobs, however deep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tui.model import format as fmt
from tui.model.jobid import f58
from tui.model.listing import ListColumn, Listing
from tui.model.users import user_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tui.model.facts import StateCounts

DEEPEST: Final = 8
"""Levels that are looked into."""
BRANCHES: Final = ("├─ ", "└─ ", "│  ", "   ")
ASCII_BRANCHES: Final = ("|- ", "`- ", "|  ", "   ")


class InnerInstance(NamedTuple):
    """A running job that is an instance, as its parent tells of it."""

    jobid: int
    name: str
    userid: int
    uri: str
    started: float
    nnodes: int
    ntasks: int


class InstanceLook(NamedTuple):
    """What one instance has: how many jobs in which state, and the instances in it; ``trouble``
    says why that is not known.
    """

    counts: StateCounts | None = None
    inner: tuple[InnerInstance, ...] = ()
    trouble: str = ""


class InnerLine(NamedTuple):
    """One line of the tree. ``path`` are the ids of the jobs on the way to it, none for the
    outermost; ``branch`` is what is drawn before its name.
    """

    path: tuple[int, ...]
    name: str
    branch: str
    job: InnerInstance | None
    look: InstanceLook

    @property
    def title(self) -> str:
        """Its name, or the id of its job."""
        return f58(self.path[-1]) if self.path else self.name


def tree(
    name: str, looks: dict[tuple[int, ...], InstanceLook], branches: Sequence[str] = BRANCHES
) -> list[InnerLine]:
    """Return the lines of the tree, each instance before those in it, in the order of their ids;
    ``looks`` has what was found at each path, at least for the outermost.
    """
    lines = [InnerLine((), name, "", None, looks.get((), InstanceLook()))]

    def below(path: tuple[int, ...], indent: str) -> None:
        inner = sorted(looks.get(path, InstanceLook()).inner, key=lambda job: job.jobid)
        for number, job in enumerate(inner):
            last = number == len(inner) - 1
            here = (*path, job.jobid)
            branch = indent + branches[1 if last else 0]
            lines.append(InnerLine(here, job.name, branch, job, looks.get(here, InstanceLook())))
            below(here, indent + branches[3 if last else 2])

    below((), "")
    return lines


def instance_listing(now: Callable[[], float]) -> Listing[InnerLine]:
    """Return the empty list; ``now`` gives the time that is drawn."""

    def ran(row: InnerLine) -> str:
        return fmt.duration(max(0.0, now() - row.job.started)) if row.job else ""

    columns: list[ListColumn[InnerLine]] = [
        ListColumn("instance", "INSTANCE", 24, lambda row: row.branch + row.title, grow=2),
        ListColumn("name", "NAME", 12, lambda row: row.name if row.job else "", grow=2, rank=1),
        ListColumn(
            "user", "USER", 8, lambda row: user_name(row.job.userid) if row.job else "", rank=3
        ),
        ListColumn("nodes", "NODES", 5, lambda row: _number(row, "nnodes"), right=True, rank=4),
        ListColumn("time", "TIME", 7, ran, right=True, rank=2),
        ListColumn("running", "RUN", 7, lambda row: _count(row, "running"), right=True),
        ListColumn("pending", "PEND", 7, lambda row: _count(row, "pending"), right=True),
        ListColumn("failed", "FAIL", 7, lambda row: _count(row, "unsuccessful"), right=True),
        ListColumn("over", "OVER", 7, lambda row: _count(row, "over"), right=True, rank=5),
        ListColumn("info", "NOTE", 16, lambda row: row.look.trouble, grow=1, rank=6),
    ]
    return Listing(columns, lambda row: row.path)


def _number(row: InnerLine, name: str) -> str:
    return str(getattr(row.job, name) or "-") if row.job else ""


def _count(row: InnerLine, name: str) -> str:
    counts = row.look.counts
    return "-" if counts is None else fmt.count(getattr(counts, name))
