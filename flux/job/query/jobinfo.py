"""Reading jobs as ``job-list`` has them, for queries."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from flux import constants
from flux.job.query.fields import NAMES
from flux.job.query.syntax import Term, Word, terms

if TYPE_CHECKING:
    from collections.abc import Callable

    from flux.job.info import JobInfo
    from flux.job.query.fields import Statuses
    from flux.job.query.syntax import Node

UNKNOWN: Final = float("nan")
_REASON: Final = (
    *("state", "priority", "dependencies", "annotations", "result"),
    *("exception_type", "exception_note", "waitstatus", "nodelist"),
)
ATTRIBUTES: Final[dict[str, tuple[str, ...]]] = {
    "state": ("state", "result"),
    "id": (),
    "user": ("userid",),
    "node": ("nodelist",),
    "info": _REASON,
    "exception": ("exception_type",),
    "t": ("t_run", "t_cleanup"),
    "wait": ("t_submit", "t_run", "t_inactive"),
    "age": ("t_submit",),
    "left": ("state", "expiration"),
    "limit": ("duration",),
    "exit": ("waitstatus", "result"),
}
"""What ``job-list`` has to tell for a field, if that is not the attribute of the same name."""


def attributes(tree: Node) -> list[str]:
    """Return the attributes that ``job-list`` has to tell for a query."""
    wanted: dict[str, None] = {}
    for it in terms(tree):
        fields = ("name", "user") if isinstance(it, Word) else _fields(it)
        for field in fields:
            wanted.update(dict.fromkeys(ATTRIBUTES.get(field, (field,))))
    return list(wanted)


def _fields(term: Term) -> tuple[str, ...]:
    name = NAMES.get(term.field.lower())
    return () if name is None else (name,)


class JobInfoReader:
    """Reads `JobInfo` objects that have the `attributes` of the query. ``now`` is the time, in
    seconds since the epoch, that waiting and running jobs are looked at.
    """

    def __init__(self, now: float | None = None) -> None:
        self._now = time.time() if now is None else now

    def text(self, field: str) -> Callable[[JobInfo], str]:
        """Return what reads a text field; raises KeyError if there is no such field."""
        return _TEXTS[field]

    def number(self, field: str) -> Callable[[JobInfo], float]:
        """Return what reads a number, nan if it is not known; raises KeyError if there is no such
        field.
        """
        now, read = self._now, _NUMBERS[field]
        return lambda job: read(job, now)

    def statuses(self, wanted: tuple[Statuses, ...]) -> Callable[[JobInfo], bool]:
        """Return the test for jobs in one of some states."""
        inactive = constants.FLUX_JOB_STATE_INACTIVE

        def test(job: JobInfo) -> bool:
            state, result = job.state_id, int(job.result_id or 0)
            return any(
                state & it.states and (state != inactive or bool(result & it.results))
                for it in wanted
            )

        return test

    def jobid(self) -> Callable[[JobInfo], int]:
        """Return what reads the id."""
        return lambda job: int(job.id)


def _plain(name: str) -> Callable[[JobInfo], str]:
    return lambda job: str(getattr(job, name))


def _counted(name: str) -> Callable[[JobInfo, float], float]:
    def read(job: JobInfo, _: float) -> float:
        value = getattr(job, name)
        return UNKNOWN if value == "" else float(value)

    return read


def _runtime(job: JobInfo, now: float) -> float:
    if not job.t_run:
        return UNKNOWN
    return float(max((job.t_cleanup or now) - job.t_run, 0.0))


def _waited(job: JobInfo, now: float) -> float:
    return float(max((job.t_run or job.t_inactive or now) - job.t_submit, 0.0))


def _left(job: JobInfo, now: float) -> float:
    running = job.state_id & constants.FLUX_JOB_STATE_RUNNING
    return float(max(job.expiration - now, 0.0)) if running and job.expiration else UNKNOWN


def _limit(job: JobInfo, _: float) -> float:
    return float(job.duration) or float("inf")  # there is none


_TEXTS: Final[dict[str, Callable[[JobInfo], str]]] = {
    "name": _plain("name"),
    "user": _plain("username"),
    "queue": _plain("queue"),
    "ranks": _plain("ranks"),
    "node": _plain("nodelist"),
    "info": _plain("where"),
    "exception": lambda job: str(job.exception.type),
    "bank": _plain("bank"),
    "project": _plain("project"),
}
_NUMBERS: Final[dict[str, Callable[[JobInfo, float], float]]] = {
    "t": _runtime,
    "wait": _waited,
    "age": lambda job, now: float(now - job.t_submit),
    "left": _left,
    "limit": _limit,
    "ntasks": _counted("ntasks"),
    "nnodes": _counted("nnodes"),
    "ncores": _counted("ncores"),
    "priority": _counted("priority"),
    "urgency": _counted("urgency"),
    "waitstatus": _counted("waitstatus"),
    "exit": _counted("returncode"),
}
