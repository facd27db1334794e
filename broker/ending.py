"""The end of an instance's jobs, as rank 0 asks the job manager for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flux.wire.message import USERID_UNKNOWN

if TYPE_CHECKING:
    from flux.aio import AsyncFlux
    from flux.job.states import JobState

ADMIN_TIMEOUT = 5.0


async def start_no_more(handle: AsyncFlux) -> None:
    """Have no more jobs started; raises OSError from the job manager."""
    await handle.rpc(
        "job-manager.queue-start",
        {"start": False, "all": True, "nocheckpoint": True, "reason": "shutdown"},
        timeout=ADMIN_TIMEOUT,
    )


async def end_jobs(handle: AsyncFlux, timeout: float | None, states: JobState) -> None:
    """Start no more jobs, cancel those in ``states``, and wait until the last one that runs has
    ended.

    Raises OSError from the job manager, and TimeoutError for jobs that do not end in ``timeout``
    seconds; None waits for them.
    """
    await start_no_more(handle)
    await handle.rpc(
        "job-manager.raiseall",
        {
            "dry_run": False,
            "userid": USERID_UNKNOWN,
            "states": int(states),
            "severity": 0,
            "type": "cancel",
            "note": "",
        },
        timeout=timeout,
    )
    await handle.rpc("job-manager.idle", timeout=timeout)
