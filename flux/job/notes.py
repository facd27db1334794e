"""What may be changed of a job that has been submitted: its urgency, attributes of its jobspec, its
annotations and memos (RFC 21, 27).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from flux.job.JobID import JobID
from flux.rpc import RPC
from flux.wire.text import as_number

if TYPE_CHECKING:
    from flux.core.handle import Flux
    from flux.wire.text import Text


class UrgencyFuture(RPC):
    """A change of a job's urgency."""

    def get_old(self) -> int:
        """Wait and return the urgency before; raises OSError if it was not changed."""
        return int(self.member("old_urgency"))


def urgency_async(flux_handle: Flux, jobid: JobID | int | Text, urgency: int) -> UrgencyFuture:
    """Give a job another urgency; returns a future with ``get_old``."""
    payload = {"id": int(JobID(jobid)), "urgency": as_number(urgency, "the urgency")}
    return UrgencyFuture(flux_handle, "job-manager.urgency", payload)


def urgency(flux_handle: Flux, jobid: JobID | int | Text, urgency: int) -> int:
    """Give a job that waits for resources another urgency, 0 (hold) through 31 (expedite); returns
    the one before.

    Raises OSError: ENOENT or EINVAL for an unknown job, EINVAL for one that has resources and for
    an urgency out of range, EPERM if the caller may not.
    """
    return urgency_async(flux_handle, jobid, urgency).get_old()


def update_async(
    flux_handle: Flux, jobid: JobID | int | Text, updates: Mapping[str, object]
) -> RPC:
    """Change attributes of an active job; returns a future."""
    payload = {"id": int(JobID(jobid)), "updates": _object(updates, "updates")}
    return RPC(flux_handle, "job-manager.update", payload)


def update(flux_handle: Flux, jobid: JobID | int | Text, updates: Mapping[str, object]) -> None:
    """Change attributes of an active job: values by the paths of members of its jobspec, such as
    ``{"attributes.system.duration": 3600}`` (flux-update(1)). All changes are made or none.

    Raises OSError: ENOENT for an unknown job, EINVAL for one that has ended and for what cannot be
    changed, EPERM if the caller may not.
    """
    update_async(flux_handle, jobid, updates).get()


def _object(value: object, what: str) -> dict[str, object]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{what} must be a dict, not {type(value).__name__}")
    for key in value:
        if not isinstance(key, str):
            raise TypeError(f"the keys of {what} must be strings, not {type(key).__name__}")
    return dict(value)


def annotate_async(
    flux_handle: Flux, jobid: JobID | int | Text, annotations: Mapping[str, object]
) -> RPC:
    """Change a job's annotations of the user; returns a future."""
    changes = {"user": _object(annotations, "annotations")}
    payload = {"id": int(JobID(jobid)), "annotations": changes}
    return RPC(flux_handle, "job-manager.annotate", payload)


def annotate(
    flux_handle: Flux, jobid: JobID | int | Text, annotations: Mapping[str, object]
) -> None:
    """Change annotations of an active job that belong to the user: what is an object is merged,
    None removes a key.

    They are in the list of jobs as ``annotations.user`` for as long as the instance runs; `memo`
    keeps them. Raises OSError: ENOENT for an unknown job, EPERM for somebody else's.
    """
    annotate_async(flux_handle, jobid, annotations).get()


def memo_async(
    flux_handle: Flux,
    jobid: JobID | int | Text,
    memo: Mapping[str, object],
    volatile: bool = False,
) -> RPC:
    """Post a memo of a job; returns a future."""
    payload = {
        "id": int(JobID(jobid)),
        "volatile": bool(volatile),
        "memo": _object(memo, "memo"),
    }
    return RPC(flux_handle, "job-manager.memo", payload)


def memo(
    flux_handle: Flux,
    jobid: JobID | int | Text,
    memo: Mapping[str, object],
    volatile: bool = False,
) -> None:
    """Post a memo of an active job: annotations of the user that are kept in its eventlog, unless
    ``volatile`` is set. None removes a key.

    Raises OSError: ENOENT for an unknown job, EPERM for somebody else's, ENOSYS if the broker is
    of a flux-core that has no memos.
    """
    memo_async(flux_handle, jobid, memo, volatile).get()
