"""Purging inactive jobs (flux-job(1)): the requests, and the event that tells of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flux.job.JobID import JobID
from flux.wire.text import as_integer, as_seconds

if TYPE_CHECKING:
    from flux.core.handle import Flux
    from flux.wire.message import Message

UNLIMITED: Final = -1
BATCH_DEFAULT: Final = 50


def purged_ids(msg: Message) -> list[int]:
    """Return the jobs that a ``job-purge-inactive`` event names, none for a malformed one."""
    try:
        payload = msg.json()
    except ValueError:
        return []
    ids = payload.get("jobs") if isinstance(payload, dict) else None
    return [one for one in ids if isinstance(one, int)] if isinstance(ids, list) else []


def purge(
    handle: Flux,
    age_limit: float = UNLIMITED,
    num_limit: int = UNLIMITED,
    *,
    batch: int = BATCH_DEFAULT,
    force: bool = False,
) -> int:
    """Purge the oldest inactive jobs for good; returns how many, or how many would be without
    ``force``.

    Purged are jobs that have been inactive for more than ``age_limit`` seconds, and the oldest
    until ``num_limit`` are left; UNLIMITED sets no limit. A request, and so a commit, is for at
    most ``batch`` jobs. Raises OSError: EINVAL if a number is out of range, EPERM if the caller is
    not the instance owner.
    """
    total = 0
    payload = {
        "age_limit": as_seconds(age_limit, "age_limit"),
        "num_limit": as_integer(num_limit, "num_limit"),
        "batch": as_integer(batch, "batch"),
        "force": force,
    }
    while True:
        count = int(handle.rpc("job-manager.purge", payload).get()["count"])
        total += count
        if not force or count < batch:
            return total


def purge_id(handle: Flux, jobid: int, *, force: bool = False) -> None:
    """Purge one inactive job for good; without ``force`` only check that it could be. Raises
    OSError: ENOENT if there is no such job, EINVAL if it is active, EBUSY if it is waitable and has
    not been waited for.
    """
    payload = {"id": int(JobID(jobid)), "force": int(force)}  # a number for today's flux-core
    handle.rpc("job-manager.purge-id", payload).get()
