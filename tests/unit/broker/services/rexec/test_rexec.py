"""The broker.rexec service: the conversations of the exec-* recordings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from broker.services.rexec.service import RexecService
from broker.testing import ServiceHarness
from flux.wire.json import dumps_str

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Harness = ServiceHarness[RexecService]


@pytest.fixture
async def harness() -> AsyncIterator[Harness]:
    harness = ServiceHarness(RexecService, rank=1, size=2, attrs={"local-uri": "local:///x"})
    await harness.start()
    yield harness
    await harness.stop()
    await harness.until(lambda: not harness.service.running)


class Call:
    """One broker.rexec request and its responses."""

    def __init__(self, harness: Harness, argv: list[str], cwd: str = "/", **streams: int) -> None:
        command = {
            "cwd": cwd,
            "cmdline": argv,
            "env": {"PATH": os.environ["PATH"]},
            "opts": {},
            "channels": [],
        }
        payload = {"cmd": dumps_str(command), "on_stdout": 1, "on_stderr": 1, **streams}
        self.harness = harness
        self.tag = harness.submit("broker.rexec", payload)

    @property
    def answers(self) -> list[dict[str, Any]]:
        return [msg.json() for msg in self.harness.replies(self.tag)]

    @property
    def pid(self) -> int:
        return int(next(answer["pid"] for answer in self.answers if "pid" in answer))

    async def until(self, **fields: Any) -> None:
        await self.harness.until(
            lambda: any(fields.items() <= answer.items() for answer in self.answers), 20
        )

    def text(self, stream: str) -> str:
        ios = [answer["io"] for answer in self.answers if answer["type"] == "output"]
        return "".join(io.get("data", "") for io in ios if io["stream"] == stream)


async def test_the_course_of_a_command(harness: Harness) -> None:
    call = Call(harness, ["sh", "-c", "echo out; echo err >&2; exit 3"])
    await call.until(type="complete")
    assert call.answers[0] == {"type": "start", "rank": 1}
    assert call.answers[1] == {"type": "state", "rank": 1, "pid": call.pid, "state": 2}
    assert {"type": "state", "rank": 1, "state": 3, "status": 768} in call.answers
    assert call.answers[-1] == {"type": "complete", "rank": 1}
    assert (call.text("stdout"), call.text("stderr")) == ("out\n", "err\n")
    eofs = [answer["io"]["stream"] for answer in call.answers if answer.get("io", {}).get("eof")]
    assert sorted(eofs) == ["stderr", "stdout"]


async def test_no_such_program(harness: Harness) -> None:
    call = Call(harness, ["nosuchcmd"])
    await call.until(state=1)
    assert call.answers == [
        {"type": "start", "rank": 1},
        {"type": "state", "rank": 1, "state": 1, "errno": 2},
    ]


async def test_input_is_written(harness: Harness) -> None:
    call = Call(harness, ["cat"])
    await call.until(state=2)
    io = {"stream": "stdin", "rank": "0"}
    await harness.request("broker.rexec.write", {"pid": call.pid, "io": io | {"data": "hello\n"}})
    await harness.request(
        "broker.rexec.write", {"pid": call.pid, "io": io | {"encoding": "base64", "data": "//8="}}
    )
    await harness.request("broker.rexec.write", {"pid": call.pid, "io": io | {"eof": True}})
    await call.until(type="complete")
    assert "hello\n" in call.text("stdout")
    assert "//8=" in call.text("stdout")


async def test_signals_and_the_process_list(harness: Harness) -> None:
    call = Call(harness, ["sleep", "100"])
    await call.until(state=2)
    listed = await harness.request("broker.rexec.processes")
    assert listed["procs"] == [{"pid": call.pid, "sender": "client", "cmdline": ["sleep", "100"]}]
    await harness.request("broker.rexec.signal", {"pid": call.pid, "signum": 2})
    await call.until(type="complete")
    assert {"type": "state", "rank": 1, "state": 3, "status": 2} in call.answers
    with pytest.raises(FileNotFoundError):
        await harness.request("broker.rexec.signal", {"pid": call.pid, "signum": 2})


@pytest.mark.parametrize("topic", ["broker.disconnect", "broker.rexec.disconnect"])
async def test_a_client_that_goes_away_takes_its_processes_along(
    harness: Harness, topic: str
) -> None:
    call = Call(harness, ["sleep", "100"])
    await call.until(state=2)
    harness.submit(topic, flags=4)
    await call.until(type="complete")
    assert {"type": "state", "rank": 1, "state": 3, "status": 9} in call.answers
    assert harness.service.facts() == {"processes": 0}


async def test_a_missing_directory(harness: Harness) -> None:
    call = Call(harness, ["pwd"], cwd="/nosuch")
    await call.until(type="complete")
    assert call.text("stdout") == "/tmp\n"
    assert (
        call.text("stderr")
        == "Could not change dir to /nosuch: No such file or directory. Going to /tmp instead\n"
    )


@pytest.mark.parametrize("cmd", ["", "[]", '{"cmdline":[]}', '{"cmdline":5}'])
async def test_malformed_commands(harness: Harness, cmd: str) -> None:
    with pytest.raises(OSError, match="malformed command"):
        await harness.request("broker.rexec", {"cmd": cmd})
