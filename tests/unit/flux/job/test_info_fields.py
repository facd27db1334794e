"""What the fields of a listing need of job-list, and the pictures and words of states."""

from __future__ import annotations

import pytest

from flux.job import JobInfo, job_fields_to_attrs, resulttostr, statetostr, statustostr
from flux.job.info import resulttoemoji, statetoemoji, statustoemoji


@pytest.mark.parametrize(
    ("field", "attrs"),
    [
        ("id.f58", set()),
        ("username", {"userid"}),
        ("status_abbrev", {"result", "state"}),
        ("runtime", {"t_cleanup", "t_run"}),
        ("returncode", {"result", "waitstatus"}),
        ("annotations.user.x", {"annotations"}),
        ("expiration", {"expiration", "result", "state"}),
        ("exception.type", {"exception_type", "exception_occurred"}),
        ("ncores", {"ncores"}),
    ],
)
def test_what_fields_need(field: str, attrs: set[str]) -> None:
    assert attrs <= job_fields_to_attrs([field])
    assert job_fields_to_attrs([field, "id"]) == job_fields_to_attrs([field])
    with pytest.raises(KeyError):
        job_fields_to_attrs([field, "nosuch"])


def test_short_names_are_asked_for_in_either_way() -> None:
    for short in (statetostr(16, True), statetostr(16, fmt="S")):
        assert short == "R"
    assert (resulttostr(2, fmt="S"), statustostr(64, 1, fmt="S")) == ("F", "CD")
    assert (statetostr(16), resulttostr(""), statustostr(16, "")) == ("RUN", "", "RUNNING")


def test_states_have_pictures() -> None:
    pictures = {statetoemoji(1 << bit) for bit in range(7)}
    assert len(pictures) == 7
    assert statustoemoji(64, 4) == resulttoemoji(4)
    assert statustoemoji(16, "") == statetoemoji(16)
    assert resulttoemoji("") == "\u3000"


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"state": 16}, ""),
        ({"result": 1, "waitstatus": 0}, "Exit 0"),
        ({"result": 4, "exception_note": "why", "exception_occurred": True}, "Canceled: why"),
        ({"result": 8}, "Timeout"),
        ({"result": 2, "waitstatus": 9}, "Exit -9"),
    ],
)
def test_how_a_job_ended(facts: dict[str, object], reason: str) -> None:
    assert JobInfo({"id": 1, "state": 64, **facts}).inactive_reason == reason
