"""Why a job waits or failed, in full."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from flux.job.JobID import JobID
from flux.job.why import Remedy
from tui.model import users
from tui.model.dashboard import Dashboard
from tui.model.logs import Line
from tui.model.states import Status
from tui.model.story import Raised
from tui.model.why_card import Card, why_card

NOW = 1000.0
PARENT = JobID(77 << 24).f58


def card(job: dict[str, Any], *others: dict[str, Any], **told: Any) -> Card | None:
    dashboard = Dashboard(lambda: NOW)
    dashboard.set_link(True)
    base = {"userid": 0, "t_submit": 900.0, "urgency": 16, "priority": 16, "name": "solve"}
    dashboard.load([{**base, "id": 1 << 24, **job}, *others])
    return why_card(dashboard, 1 << 24, **told)


def texts(found: Card | None) -> list[str]:
    assert found is not None
    return [part.text for part in found.parts]


@pytest.fixture(autouse=True)
def known_users(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {0: "root", 7: "alice"}
    monkeypatch.setattr("pwd.getpwuid", lambda uid: SimpleNamespace(pw_name=names[uid]))
    users.user_name.cache_clear()


def test_a_job_that_waits_for_another_names_it_and_how_it_does() -> None:
    parent = {"id": 77 << 24, "state": 16, "name": "merge", "t_submit": 1.0, "t_run": 940.0}
    found = card({"state": 2, "dependencies": [f"after-success={PARENT}"]}, parent)
    assert found is not None
    assert (found.parent, found.helps) == (77 << 24, (Remedy.OPEN, Remedy.CANCEL))
    assert texts(found) == [
        f"depends on after-success={PARENT}",
        f"{PARENT} merge: run, 1m00s",
        "has waited 1m40s, priority 16",
    ]


def test_a_job_that_is_held_can_be_released() -> None:
    found = card({"state": 8, "urgency": 0, "priority": 0})
    assert found is not None
    assert (found.helps, texts(found)[0]) == ((Remedy.RELEASE, Remedy.CANCEL), "held")


def test_a_job_that_waits_for_resources_can_be_made_more_urgent() -> None:
    found = card({"state": 8})
    assert found is not None
    assert found.helps == (Remedy.URGENCY, Remedy.CANCEL)
    assert found.status == Status.SCHED


def test_a_job_that_failed_tells_who_and_when_and_its_last_errors() -> None:
    job = {"state": 64, "result": 2, "waitstatus": 127 << 8}
    errors = [Line("stderr", "err", "sh: solve: not found"), Line("stderr", "1 err", "and more"),
              Line("stderr", "shell", "FATAL: no")]  # fmt: skip
    assert texts(card(job, errors=errors)) == [
        "exit code 127",
        "a program was not found: is it in the PATH of the job?",
        "sh: solve: not found",
        "1: and more",
        "shell: FATAL: no",
    ]


def test_a_job_that_was_canceled_tells_by_whom() -> None:
    job = {
        "state": 64,
        "result": 4,
        "exception_type": "cancel",
        "exception_severity": 0,
        "exception_note": "not needed",
        "exception_occurred": True,
    }
    raised = Raised(990.0, "cancel", 0, "not needed", 7)
    found = card(job, raised=raised)
    assert found is not None
    assert found.title == "why it was canceled"
    assert texts(found)[0] == "not needed"
    assert texts(found)[-1].startswith("raised by alice at ")
    assert texts(found)[-1].endswith(", fatal")


def test_a_time_limit_is_told_with_its_length() -> None:
    job = {
        "state": 64,
        "result": 8,
        "t_run": 910.0,
        "expiration": 970.0,
        "exception_type": "timeout",
        "exception_severity": 0,
        "exception_note": "resource allocation expired",
        "exception_occurred": True,
    }
    assert "the job reached its time limit of 1m00s" in texts(card(job))


def test_a_job_that_runs_has_a_card_only_after_an_exception() -> None:
    job = {"state": 16, "t_run": 910.0}
    assert card(job) is None
    found = card(job, raised=Raised(950.0, "oom", 2, "short of memory", -1))
    assert texts(found)[0] == "exception oom: short of memory"
    assert "severity 2" in texts(found)[1]


def test_there_is_no_card_for_success_or_an_unknown_job() -> None:
    assert card({"state": 64, "result": 1, "waitstatus": 0}) is None
    assert why_card(Dashboard(lambda: NOW), 5) is None
