"""The exceptions of a job among the events of its output, as flux-core's bindings tell them."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from flux.job.event import JobException, parse_eventlog
from flux.job.output_events import JobExceptionEvent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flux.core.handle import Flux
    from flux.job.event import EventLogEvent
    from flux.job.JobID import JobID
    from flux.job.output_events import IoEvent


def _exceptions(flux_handle: Flux, jobid: JobID) -> list[EventLogEvent]:
    """Return the exceptions of a job so far, and nothing else of it; raises OSError."""
    payload = {"id": int(jobid), "keys": ["eventlog"], "flags": 0}
    log = parse_eventlog(flux_handle.rpc("job-info.lookup", payload).get()["eventlog"])
    return [event for event in log if event.name == "exception"]


def with_exceptions(
    flux_handle: Flux, jobid: JobID, output: Iterator[IoEvent]
) -> Iterator[IoEvent]:
    """Yield the events of a job's output and its exceptions: those that there are when the output
    begins before it, later ones behind it. Raises OSError(EIO) behind the exceptions of a job that
    ended without having run, and what ``output`` raises.
    """
    told, begun = 0, False
    for event in output:
        if not begun:
            begun = True
            before = _exceptions(flux_handle, jobid)
            told = len(before)
            yield from map(JobExceptionEvent, before)
        yield event
    yield from map(JobExceptionEvent, _exceptions(flux_handle, jobid)[told:])
    if not begun:
        raise OSError(errno.EIO, f"job {jobid.f58} never started")


def raise_if_fatal(flux_handle: Flux, jobid: JobID) -> None:
    """Raise the exception that ended a job as `JobException`, if one did."""
    for event in _exceptions(flux_handle, jobid):
        if event.context.get("severity") == 0:
            raise JobException(event)
