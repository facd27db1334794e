"""How a job's information is kept: as it came, and, once somebody looks into ``__dict__``, under
the names that flux-core's bindings have there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

if TYPE_CHECKING:
    from flux.job.JobID import JobID
    from flux.wire.json import JsonObject

_OWN_NAMES: Final = {"state": "_state_id", "result": "_result_id"}
"""Attributes of job-list that are kept by another name than theirs with an underscore."""
_MADE: Final = ("exception", "annotations", "sched", "user", "dependencies")
"""What `JobInfo` makes of attributes of job-list, and flux-core's bindings keep."""


class KeptInfo:
    """The fields of `JobInfo`, which have no place in its ``__dict__``: that has what programs set,
    and nothing else before it is looked at.
    """

    __slots__ = ("__dict__", "__weakref__", "_info", "_told", "id", "result_id", "state_id")
    _info: JsonObject
    id: JobID
    state_id: int
    result_id: int | str

    properties: ClassVar[tuple[str, ...]] = (
        *("id", "t_submit", "t_remaining", "state", "result", "username", "userid", "urgency"),
        *("runtime", "status", "returncode", "dependencies"),
    )
    """What `JobInfo.to_dict` tells beside the attributes that have a default."""


_DICT: Final[Any] = vars(KeptInfo)["__dict__"]


def attributes_of(job: KeptInfo, defaults: JsonObject) -> dict[str, Any]:
    """Return the ``__dict__`` of a job, with all that is known of it: attributes of job-list, or
    their ``defaults``, with an underscore before their names, and what is made of them. One who
    never asks never pays for it.
    """
    kept: dict[str, Any] = _DICT.__get__(job)
    info: JsonObject | None = getattr(job, "_info", None)
    if info is None or "_id" in kept:  # the former while it is copied or read from a pickle
        return kept
    told = {**defaults, **info, "id": job.id, "result": job.result_id}
    for name in _MADE:
        told[name] = getattr(job, name)
    for name, value in told.items():
        kept.setdefault(_OWN_NAMES.get(name, f"_{name}"), value)
    return kept
