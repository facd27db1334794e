"""The attributes of a job that a client may ask for, and when each of them exists."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from broker.services.job_list.record import ListedJob

if TYPE_CHECKING:
    from flux.wire.json import JsonObject

Getter = Callable[[ListedJob], object]


def _when_inactive(getter: Getter) -> Getter:
    return lambda job: getter(job) if job.inactive else None


def _exception(field: str) -> Getter:
    return _when_inactive(attrgetter(field))


#: In the order `job-list.list-attrs` names them; a value of None means that the job does not have
#: the attribute.
ATTRIBUTES: Final[Mapping[str, Getter]] = {
    "userid": attrgetter("userid"),
    "urgency": attrgetter("urgency"),
    "priority": attrgetter("priority"),
    "t_submit": attrgetter("t_submit"),
    "t_depend": attrgetter("t_depend"),
    "t_priority": attrgetter("t_priority"),
    "t_sched": attrgetter("t_sched"),
    "t_run": attrgetter("t_run"),
    "t_cleanup": attrgetter("t_cleanup"),
    "t_inactive": attrgetter("t_inactive"),
    "state": attrgetter("state"),
    "name": attrgetter("name"),
    "cwd": attrgetter("cwd"),
    "queue": attrgetter("queue"),
    "project": attrgetter("project"),
    "bank": attrgetter("bank"),
    "ntasks": attrgetter("ntasks"),
    "ncores": attrgetter("ncores"),
    "duration": attrgetter("duration"),
    "nnodes": attrgetter("nnodes"),
    "ranks": attrgetter("ranks"),
    "nodelist": attrgetter("nodelist"),
    "success": _when_inactive(attrgetter("success")),
    "exception_occurred": _when_inactive(lambda job: job.exception_severity is not None),
    "exception_type": _exception("exception_type"),
    "exception_severity": _exception("exception_severity"),
    "exception_note": _exception("exception_note"),
    "result": attrgetter("result"),
    "expiration": attrgetter("expiration"),
    "waitstatus": attrgetter("waitstatus"),
    "annotations": attrgetter("annotations"),
    "dependencies": lambda job: list(job.dependencies) or None,
}


ALL: Final = "all"
"""Stands for every attribute."""


def getters(attrs: Iterable[object]) -> list[tuple[str, Getter]]:
    """Return the getters for ``attrs``; raises OSError(EINVAL) for an unknown attribute.

    ``id`` is always part of a job and need not be asked for; ``all`` asks for every attribute.
    """
    found = []
    for name in attrs:
        if name == "id":
            continue
        if name == ALL:
            return list(ATTRIBUTES.items())
        if not isinstance(name, str) or name not in ATTRIBUTES:
            raise OSError(errno.EINVAL, f"{name} is not a valid attribute")
        found.append((name, ATTRIBUTES[name]))
    return found


def describe(job: ListedJob, wanted: Iterable[tuple[str, Getter]]) -> JsonObject:
    """Return a job's id and the attributes it has of those ``wanted``."""
    values: JsonObject = {"id": job.id}
    for name, getter in wanted:
        value = getter(job)
        if value is not None:
            values[name] = value
    return values
