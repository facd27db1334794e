"""What a program gives wrongly is told in words about the argument, not in those of Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from flux import job
from flux.job.list import VALID_ATTRS, JobList
from flux.testing.scripted import ScriptedFlux

if TYPE_CHECKING:
    from collections.abc import Callable

    from flux.core.handle import Flux

OF_PYTHON = (
    *("invalid literal", "could not convert", "argument must be", "has no attribute", "codec"),
    *("NoneType' object", "not supported between", "unexpected character", "line 1 column"),
)

CALLS: dict[str, tuple[Callable[[Flux, Any], object], str]] = {
    "urgency": (lambda h, bad: job.submit_async(h, "{}", urgency=bad), "the urgency must be"),
    "job to cancel": (job.cancel_async, "is not a valid Flux jobid"),
    "job to kill": (job.kill_async, "is not a valid Flux jobid"),
    "signal": (lambda h, bad: job.kill_async(h, 1, bad), "is not the number of a signal"),
    "job to watch": (job.event_watch_async, "is not a valid Flux jobid"),
    "job to wait for": (job.wait_async, "is not a valid Flux jobid"),
    "job to list": (job.job_list_id, "is not a valid Flux jobid"),
    "job id to encode": (lambda h, bad: job.id_encode(bad), "a job id must be a number"),
    "encoding": (lambda h, bad: job.id_encode(1, bad), "unknown jobid encoding"),
    "number of jobs": (lambda h, bad: job.job_list(h, max_entries=bad), "max_entries must be"),
    "user id": (lambda h, bad: job.job_list(h, userid=bad), "a user id must be a number"),
    "states": (lambda h, bad: job.job_list(h, states=bad), "states must be a number"),
    "since": (lambda h, bad: job.job_list_inactive(h, bad), "since must be a number of seconds"),
    "user": (lambda h, bad: JobList(h, user=bad), "Invalid user nosuch! specified"),
    "filter": (lambda h, bad: JobList(h, filters=[bad]), "Invalid filter specified"),
    "ids": (lambda h, bad: JobList(h, ids=[bad]), "is not a valid Flux jobid"),
    "result": (lambda h, bad: job.resulttostr(bad), "a result must be a number"),
    "status": (lambda h, bad: job.statustostr(64, bad), "a result must be a number"),
    "event": (lambda h, bad: job.EventLogEvent(bad), "eventlog entry is not JSON"),
    "jobspec": (lambda h, bad: job.validate_jobspec(bad), "Jobspec is not valid JSON"),
}


@pytest.mark.parametrize("name", CALLS)
def test_wrong_text_is_told_in_plain_words(name: str) -> None:
    call, words = CALLS[name]
    with pytest.raises((ValueError, OSError), match=words) as caught:
        call(cast("Flux", ScriptedFlux()), "nosuch!")
    assert not [phrase for phrase in OF_PYTHON if phrase in str(caught.value)]


def test_what_is_no_jobspec_is_refused() -> None:
    nothing: Any = None
    with pytest.raises(TypeError, match="a jobspec must be a Jobspec or its JSON, not NoneType"):
        job.submit_async(cast("Flux", ScriptedFlux()), nothing)


def test_answers_that_lack_what_was_asked_for_are_protocol_errors() -> None:
    handle = ScriptedFlux({topic: lambda _: {"x": 1} for topic in TOPICS})
    h = cast("Flux", handle)
    for call in (
        lambda: job.submit(h, "{}"),
        lambda: job.wait(h, 1),
        lambda: list(job.job_list(h).get_jobinfos()),
        lambda: job.job_list_id(h, 1).get_job(),
    ):
        with pytest.raises(OSError, match="malformed answer to job-"):
            call()


TOPICS = ("job-ingest.submit", "job-manager.wait", "job-list.list", "job-list.list-id")


def test_an_exception_with_little_in_it_is_still_one() -> None:
    exception = job.JobException({"timestamp": 1.0, "name": "exception"})
    assert str(exception) == "job.exception: type=unknown: "


def test_the_valid_attributes_are_a_list() -> None:
    assert isinstance(VALID_ATTRS, list)
    assert {"userid", "state", "annotations"} <= set(VALID_ATTRS)
