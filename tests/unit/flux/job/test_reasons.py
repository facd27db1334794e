"""Why jobs wait, for programs."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from flux.job import JobID, pending_reasons
from flux.testing.scripted import ScriptedFlux

FIRST, SECOND = JobID("ƒABC"), JobID("ƒABD")
TOPIC = "job-manager.pending-reasons"


def answering(*entries: dict[str, Any]) -> ScriptedFlux:
    return ScriptedFlux({TOPIC: lambda payload: {"reasons": list(entries)}})


def test_sentences() -> None:
    flux = answering(
        {"id": int(FIRST), "reason": "insufficient resources", "t_estimate": 1060.0},
        {"id": int(SECOND), "reason": "behind another job", "behind": int(FIRST)},
    )
    assert pending_reasons(flux, [FIRST, "ƒABD"]) == {
        FIRST: "insufficient resources",
        SECOND: "behind job ƒABC",
    }
    assert flux.sent == [(TOPIC, {"ids": [int(FIRST), int(SECOND)]})]
    assert pending_reasons(flux, [FIRST], 1000.0)[FIRST] == "insufficient resources, eta 1m"
    assert pending_reasons(flux, [FIRST], 2000.0)[FIRST] == "insufficient resources, eta 0s"


def test_nothing_to_ask() -> None:
    flux = ScriptedFlux({})
    assert pending_reasons(flux, []) == {}
    assert flux.sent == []


def test_a_broker_that_does_not_tell() -> None:
    def fail(number: int) -> ScriptedFlux:
        def answer(_payload: Any) -> Any:
            raise OSError(number, "no")

        return ScriptedFlux({TOPIC: answer})

    for unknown in (errno.ENOSYS, errno.EPERM):  # the latter is what guests are told of it
        assert pending_reasons(fail(unknown), [FIRST]) == {}
    with pytest.raises(OSError, match="no") as raised:
        pending_reasons(fail(errno.EIO), [FIRST])
    assert raised.value.errno == errno.EIO
    with pytest.raises(ValueError, match="nonsense"):
        pending_reasons(fail(errno.EIO), ["nonsense"])
