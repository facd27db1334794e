"""The events of all jobs, as they happen: the journal of the job manager (RFC 21), for the instance
owner.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flux.abc.journal import JournalConsumerBase, JournalEventBase
from flux.job.follow_journal import JOURNAL, items_of
from flux.job.JobID import JobID

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flux.core.interface import Requester
    from flux.wire.json import JsonObject

_NO_JOB: Final = -1


class JournalEntry(JournalEventBase):
    """An event of a job, which ``jobid`` names; -1 in the empty event, which is none of a job.

    ``seq`` is its number in the job's eventlog, -1 for what is not in it, such as annotations, and
    from brokers that have no numbers. ``jobspec`` comes with the ``submit`` event, ``R`` with
    ``alloc``; both are None otherwise. Raises ValueError as `EventLogEvent` does, and as `JobID`
    does.
    """

    def __init__(
        self,
        jobid: int,
        event: Mapping[str, object] | str | bytes,
        jobspec: JsonObject | None = None,
        R: JsonObject | None = None,  # noqa: N803 - the name of the field
        *,
        seq: int = -1,
    ) -> None:
        super().__init__(event)
        self.jobid = int.__new__(JobID, _NO_JOB) if self.is_empty() else JobID(jobid)
        self.seq = seq
        self.jobspec = jobspec
        self.R = R

    def __str__(self) -> str:
        if self.is_empty():
            return f"{int(self.jobid)}: End of historical data stream"
        parts = [f"{self.jobid.f58}: {super().__str__()}"]
        if self.jobspec is not None:
            parts.append(f"jobspec={self.jobspec}")
        if self.R is not None:
            parts.append(f"R={self.R}")
        return " ".join(parts)


JournalEvent = JournalEntry
SENTINEL_EVENT = JournalEntry(_NO_JOB, {})
"""The empty event: what was before it in a journal is of the past, what comes after it is new."""


class JournalConsumer(JournalConsumerBase[JournalEntry]):
    """Follows the events of all jobs; how is said at `JournalConsumerBase`.

    The past is that of every job with ``full``; without it events begin with those that active jobs
    have had, as the broker tells them.
    """

    SENTINEL_EVENT = SENTINEL_EVENT

    def __init__(
        self,
        flux_handle: Requester,
        full: bool = True,
        since: float = 0.0,
        include_sentinel: bool = False,
    ) -> None:
        super().__init__(flux_handle, JOURNAL, None, full, since, include_sentinel)

    @property
    def request_payload(self) -> JsonObject:
        """What the journal is asked with: whether the past of all jobs is wanted; and that the
        number of each event is, which brokers of today's flux-core do not tell.
        """
        return {"full": self.full, "records": True}

    def process_response(self, resp: JsonObject) -> JsonObject:
        """Return whose the events of an answer are, with jobspec and R if it has them."""
        return {
            "jobid": resp.get("id", _NO_JOB),
            "jobspec": resp.get("jobspec"),
            "R": resp.get("R"),
        }

    def create_event(
        self,
        entry: JsonObject,
        jobid: int = _NO_JOB,
        jobspec: JsonObject | None = None,
        R: JsonObject | None = None,  # noqa: N803 - the name of the field
    ) -> JournalEntry:
        """Return an event: an object around the entry names the job, as in flux-core 0.29, or the
        answer does, as later. Raises OSError(EPROTO) or ValueError if it is malformed.
        """
        ((whose, event, item),) = items_of({"events": [entry], "id": jobid})
        seq = item.get("eventlog_seq", -1)
        if type(seq) is not int:
            raise ValueError("an event of the journal has a number that is none")
        spec, resources = item.get("jobspec") or jobspec, item.get("R") or R
        return JournalEntry(whose, event, _object(spec), _object(resources), seq=seq)

    def is_empty_response(self, resp: JsonObject) -> bool:
        """Return whether an answer says that the past has been told: by a mark in the last of it
        here, by having no events in today's flux-core.
        """
        return bool(resp.get("replayed")) or not (resp["events"] or resp.get("active"))

    def tells_of_the_end(self, resp: JsonObject) -> bool:
        """Return whether the broker is one that marks the end; that of flux-core 0.29 does not."""
        return "active" in resp or "id" in resp


def _object(value: object) -> JsonObject | None:
    return value if isinstance(value, dict) else None
