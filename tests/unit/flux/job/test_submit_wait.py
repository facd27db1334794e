"""Submitting, waiting, results, canceling and watching with the blocking handle."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from flux.job.event import JobException, event_wait, event_watch, event_watch_async
from flux.job.kill import cancel, cancel_async, kill, raise_async
from flux.job.submit import submit, submit_async, submit_get_id
from flux.job.wait import result, result_async, wait, wait_async, wait_get_status
from flux.security import unwrap
from flux.testing.scripted import ScriptedFlux
from tests.unit.flux.job.streaming import StreamingFlux, event, life


def scripted(**script: Any) -> Any:
    return ScriptedFlux(
        {topic.replace("__", ".").replace("_", "-"): answer for topic, answer in script.items()}
    )


@pytest.mark.parametrize("jobspec", ['{"x":1}', b'{"x":1}', {"x": 1}])
def test_submit(jobspec: Any) -> None:
    h = scripted(job_ingest__submit=lambda payload: {"id": 1234})
    assert submit(h, jobspec, urgency=20, waitable=True, debug=True) == 1234
    payload = h.sent[0][1]
    assert (payload["urgency"], payload["flags"]) == (20, 6)
    assert unwrap(payload["J"])[0] == b'{"x":1}'
    assert submit_get_id(submit_async(h, jobspec, novalidate=True)).f58.startswith("ƒ")
    assert h.sent[1][1]["flags"] == 8
    submit(h, "signed.already.none", pre_signed=True)
    assert h.sent[2][1]["J"] == "signed.already.none"


def test_submit_refused() -> None:
    def refuse(_: Any) -> Any:
        raise OSError(errno.EINVAL, "job submission is disabled: testing things")

    with pytest.raises(OSError, match="testing things"):
        submit(scripted(job_ingest__submit=refuse), "{}")


def test_wait() -> None:
    h = scripted(
        job_manager__wait=lambda p: {
            "id": 5,
            "success": False,
            "errstr": "task(s) exited with exit code 1",
        }
    )
    assert wait(h) == (5, False, b"task(s) exited with exit code 1")
    assert h.sent[0][1] == {"id": -1}
    assert wait_get_status(wait_async(h, 5)).jobid == 5
    assert h.sent[1][1] == {"id": 5}


def test_cancel_kill_raise() -> None:
    h = scripted(job_manager__raise=lambda p: None, job_manager__kill=lambda p: None)
    cancel(h, 5, "because")
    cancel_async(h, "f5").get()
    kill(h, 5)
    kill(h, 5, 9)
    raise_async(h, 5, "foo", 7).get()
    assert [payload for _, payload in h.sent] == [
        {"id": 5, "type": "cancel", "severity": 0, "note": "because"},
        {"id": 4, "type": "cancel", "severity": 0},
        {"id": 5, "signum": 15},
        {"id": 5, "signum": 9},
        {"id": 5, "type": "foo", "severity": 7},
    ]


CANCELED = [
    event("submit", 1.0, userid=0, urgency=0, flags=0),
    event("exception", 2.0, type="cancel", severity=0, userid=0, note="why"),
    event("clean", 3.0),
]


@pytest.mark.parametrize(
    ("log", "name", "status"),
    [
        (life(), "COMPLETED", 0),
        (life(256), "FAILED", 256),
        (CANCELED, "CANCELED", None),
        (
            [
                *life(15)[:5],
                event("exception", 14.5, type="timeout", severity=0, note=""),
                *life(36352)[5:],
            ],
            "TIMEOUT",
            36352,
        ),
        (
            [*life()[:5], event("exception", 14.5, type="x", severity=5, note=""), *life()[5:]],
            "COMPLETED",
            0,
        ),
    ],
)
def test_result(log: list[Any], name: str, status: int | None) -> None:
    h: Any = StreamingFlux({7: log})
    facts = result_async(h, 7).get_dict()
    assert facts.get("waitstatus") == status
    info = result(h, 7)
    assert (info.id, info.result, info.t_submit) == (7, name, log[0]["timestamp"])
    assert facts["success"] == (name == "COMPLETED")


def test_a_job_that_was_canceled_yet_ended_well_is_completed() -> None:
    cancel = event("exception", 14.5, type="cancel", severity=0, note="why")
    h: Any = StreamingFlux({7: [*life()[:5], cancel, *life()[5:]]})
    facts = result_async(h, 7).get_dict()
    assert (result(h, 7).result, facts["success"], facts["exception_type"]) == (
        "COMPLETED",
        True,
        "cancel",
    )
    assert (facts["t_run"], facts["t_cleanup"]) == (14.25, 14.5)


@pytest.mark.parametrize(
    "entry",
    [
        5,
        {"name": "x"},
        {"timestamp": 1, "name": "x", "context": 5},
        {"timestamp": 1, "name": "finish"},
    ],
)
def test_a_result_of_nonsense_is_an_error(entry: Any) -> None:
    h: Any = StreamingFlux({7: [life()[0], entry]})
    with pytest.raises(OSError) as failure:
        result(h, 7)
    assert failure.value.errno == errno.EPROTO


def test_watching_nonsense_is_an_error() -> None:
    h: Any = StreamingFlux({7: [{"timestamp": 1, "name": 7}]})
    with pytest.raises(OSError, match="timestamp or name") as failure:
        event_watch_async(h, 7).get_event()
    assert failure.value.errno == errno.EPROTO


def test_result_of_an_unknown_job() -> None:
    h: Any = StreamingFlux({})
    with pytest.raises(OSError, match=r".") as failure:
        result(h, 99)
    assert failure.value.errno == errno.ENOENT


def test_watching() -> None:
    h: Any = StreamingFlux({7: life()})
    assert [e.name for e in event_watch(h, 7)] == [e["name"] for e in life()]
    first = next(iter(event_watch(h, 7, "guest.exec.eventlog")))
    assert first.name == "submit"
    assert h.sent[1][1] == {"id": 7, "path": "guest.exec.eventlog", "flags": 0}
    assert h.sent[2][0] == "job-info.eventlog-watch-cancel", "leaving the loop ends the watch"
    names: list[str | None] = []

    def callback(future: Any) -> None:
        entry = future.get_event()
        names.append(None if entry is None else entry.name)

    event_watch_async(h, 7).then(callback)
    h.reactor.run()
    assert names == [*(e["name"] for e in life()), None]


def test_event_without_reset() -> None:
    h: Any = StreamingFlux({7: life()})
    watch = event_watch_async(h, 7)
    assert watch.get_event(autoreset=False) == watch.get_event(autoreset=False)
    watch.reset()
    entry = watch.get_event()
    assert entry is not None
    assert entry.name == "depend"


def test_event_wait() -> None:
    h: Any = StreamingFlux({7: life(), 8: CANCELED})
    assert event_wait(h, 7, "finish").context == {"status": 0}
    with pytest.raises(OSError, match="nosuch") as failure:
        event_wait(h, 7, "nosuch")
    assert failure.value.errno == errno.ENODATA
    with pytest.raises(JobException, match="type=cancel: why"):
        event_wait(h, 8, "clean")
    assert event_wait(h, 8, "clean", raiseJobException=False).name == "clean"
    assert event_wait(h, 8, "exception").context["note"] == "why"
