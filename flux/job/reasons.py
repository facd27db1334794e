"""Asking why pending jobs wait; the job manager and the scheduler tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flux.duration import fsd
from flux.job.JobID import JobID, id_encode
from flux.rpc import RPC
from flux.wire.errors import may_be_unknown
from flux.wire.text import as_seconds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flux.core.interface import Requester
    from flux.wire.json import JsonMapping


def pending_reasons(
    flux_handle: Requester, jobids: Iterable[int | str | bytes], now: float | None = None
) -> dict[int, str]:
    """Return, by job id, why jobs wait; those that do not, or are not known, are left out.

    With ``now``, seconds since the epoch, a job that has an estimate says in how long it starts at
    the latest. A broker that does not tell reasons gives none. Raises OSError.
    """
    moment = None if now is None else as_seconds(now, "now")
    ids = [int(JobID(jobid)) for jobid in jobids]
    if not ids:
        return {}
    try:
        answer = RPC(flux_handle, "job-manager.pending-reasons", {"ids": ids}).get()
    except OSError as exc:
        if may_be_unknown(exc.errno):
            return {}
        raise
    return {int(entry["id"]): reason_text(entry, moment) for entry in answer["reasons"]}


def reason_text(entry: JsonMapping, now: float | None = None) -> str:
    """Return the sentence for one element of the answer."""
    if "behind" in entry:
        return f"behind job {id_encode(int(entry['behind']), 'f58')}"
    text = str(entry["reason"])
    if now is not None and "t_estimate" in entry:
        text += f", eta {fsd(max(float(entry['t_estimate']) - now, 0.0))}"
    return text
