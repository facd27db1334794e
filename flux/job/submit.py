"""Submitting jobs (flux.job.submit in the manual)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from flux.constants import (
    FLUX_JOB_DEBUG,
    FLUX_JOB_NOVALIDATE,
    FLUX_JOB_URGENCY_DEFAULT,
    FLUX_JOB_WAITABLE,
)
from flux.rpc import RPC
from flux.security import sign
from flux.wire import json
from flux.wire.text import as_number

if TYPE_CHECKING:
    from flux.core.handle import Flux
    from flux.job.JobID import JobID
    from flux.job.Jobspec import Jobspec


class SubmitFuture(RPC):
    """A submission under way; `get_id` waits for the id of the job."""

    def get_id(self) -> JobID:
        """Wait for the job id and return it; raises OSError with the reason when the job is
        refused.
        """
        from flux.job.JobID import JobID

        return JobID(self.member("id"))

    def get_message(self) -> str:
        """Wait for the answer and return what plugins tell the user about a job that was accepted,
        a line or several; empty if they say nothing. Raises OSError as `get_id` does.
        """
        return message_of(self.get())


def message_of(answer: object) -> str:
    """Return what the answer to a submission, or to the change of a job, tells the user; empty if
    it says nothing.
    """
    text = answer.get("message") if isinstance(answer, Mapping) else None
    return text if isinstance(text, str) else ""


def message_and_reason(error: OSError) -> tuple[list[str], OSError]:
    """Return what the refusal of a job, or of its change, tells the user besides, in lines, and the
    refusal alone: the last line of its text is the reason, those before are what plugins say.
    """
    *lines, reason = (error.strerror or "").split("\n")
    return lines, OSError(error.errno, reason) if lines else error


def _text(jobspec: Jobspec | str | bytes | Mapping[str, object]) -> bytes:
    if isinstance(jobspec, bytes):
        return jobspec
    if isinstance(jobspec, str):
        return jobspec.encode("utf-8", "surrogateescape")
    if isinstance(jobspec, Mapping):
        return json.dumps(dict(jobspec))
    if not hasattr(jobspec, "dumps"):
        raise TypeError(f"a jobspec must be a Jobspec or its JSON, not {type(jobspec).__name__}")
    text: str = jobspec.dumps()
    return text.encode("utf-8", "surrogateescape")


def submit_async(
    flux_handle: Flux,
    jobspec: Jobspec | str | bytes | Mapping[str, object],
    urgency: int = FLUX_JOB_URGENCY_DEFAULT,
    waitable: bool = False,
    debug: bool = False,
    pre_signed: bool = False,
    novalidate: bool = False,
) -> SubmitFuture:
    """Ask Flux to run a job and return a future, whose ``get_id`` waits for the job id.

    ``jobspec`` is a `Jobspec`, its JSON text or the decoded object, or with ``pre_signed`` what
    `flux.security.sign` made of it. ``urgency`` is 0 (hold) through 31 (expedite); more than 16 is
    for the instance owner. So are ``waitable`` jobs, whose results `flux.job.wait` fetches, and
    ``novalidate``, which leaves out the validation of the jobspec. With ``debug`` the job's
    eventlog gets debugging events. Raises TypeError if the jobspec cannot be written as JSON.
    """
    text = _text(jobspec)
    signed = text if pre_signed else sign(text)
    flags = (
        (FLUX_JOB_WAITABLE if waitable else 0)
        | (FLUX_JOB_DEBUG if debug else 0)
        | (FLUX_JOB_NOVALIDATE if novalidate else 0)
    )
    payload = {
        "J": signed.decode("utf-8", "replace"),
        "urgency": as_number(urgency, "the urgency"),
        "flags": flags,
    }
    return SubmitFuture(flux_handle, "job-ingest.submit", payload)


def submit_get_id(future: SubmitFuture) -> JobID:
    """Wait for a submission and return the job id; raises OSError with the reason when the job is
    refused.
    """
    return future.get_id()


def submit(
    flux_handle: Flux,
    jobspec: Jobspec | str | bytes | Mapping[str, object],
    urgency: int = FLUX_JOB_URGENCY_DEFAULT,
    waitable: bool = False,
    debug: bool = False,
    pre_signed: bool = False,
    novalidate: bool = False,
) -> JobID:
    """Submit a job to Flux and return its id; arguments and errors are those of `submit_async`."""
    return submit_async(
        flux_handle, jobspec, urgency, waitable, debug, pre_signed, novalidate
    ).get_id()
