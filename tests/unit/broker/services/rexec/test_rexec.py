"""The broker.rexec service: the conversations of the exec-* recordings."""

from __future__ import annotations

import os
from functools import partial
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

    def __init__(
        self,
        harness: Harness,
        argv: list[str],
        cwd: str = "/",
        *,
        opts: dict[str, str] | None = None,
        channels: tuple[str, ...] = (),
        channel_output: bool = True,
    ) -> None:
        command = {
            "cwd": cwd,
            "cmdline": argv,
            "env": {"PATH": os.environ["PATH"]},
            "opts": opts or {},
            "channels": channels,
        }
        payload = {
            "cmd": dumps_str(command),
            "on_stdout": 1,
            "on_stderr": 1,
            "on_channel_out": int(channel_output),
        }
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


async def test_who_feeds_a_process_is_told_what_it_takes(harness: Harness) -> None:
    call = Call(harness, ["wc", "-c"], opts={"stdin_BUFSIZE": "8000", "stdin_CREDIT": "true"})
    await call.until(state=2, stdin_room=8000)
    io = {"stream": "stdin", "rank": "0", "data": "x" * 600}
    for _ in range(20):
        await harness.request("broker.rexec.write", {"pid": call.pid, "io": io})
    end = {"stream": "stdin", "rank": "0", "eof": True}
    await harness.request("broker.rexec.write", {"pid": call.pid, "io": end})
    await call.until(type="complete")
    assert call.text("stdout") == "12000\n"
    taken = [answer for answer in call.answers if answer["type"] == "taken"]
    assert {(answer["pid"], answer["stream"]) for answer in taken} == {(call.pid, "stdin")}
    assert 11_000 <= sum(answer["bytes"] for answer in taken) <= 12_000


async def test_input_that_nobody_reads_counts_as_taken(harness: Harness) -> None:
    shell = ["sh", "-c", "exec <&-; echo closed; exec sleep 100"]
    call = Call(harness, shell, opts={"stdin_BUFSIZE": "8000", "stdin_CREDIT": "true"})
    await harness.until(lambda: "closed" in call.text("stdout"))
    io = {"stream": "stdin", "rank": "0", "data": "x" * 8000}
    for _ in range(3):
        await harness.request("broker.rexec.write", {"pid": call.pid, "io": io})
    assert sum(answer.get("bytes", 0) for answer in call.answers) == 24_000


async def test_a_client_that_does_not_ask_is_not_told(harness: Harness) -> None:
    call = Call(harness, ["cat"], opts={"stdin_BUFSIZE": "8"})
    await call.until(state=2)
    io = {"stream": "stdin", "rank": "0", "data": "x" * 8, "eof": True}
    await harness.request("broker.rexec.write", {"pid": call.pid, "io": io})
    await call.until(type="complete")
    assert not any("stdin_room" in answer or "bytes" in answer for answer in call.answers)


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


def _read_line(name: str) -> str:
    """Return shell words that read a line of a channel and echo it to the channel and to stdout."""
    return f'read line <&${name}; echo "got $line" >&${name}; echo "told $line"'


def io(stream: str, data: str = "", *, eof: bool = False) -> dict[str, Any]:
    return {"stream": stream, "rank": "0", **({"data": data} if data else {}), "eof": eof}


async def test_a_channel_is_read_and_written(harness: Harness) -> None:
    call = Call(harness, ["bash", "-c", _read_line("TEST_CHANNEL")], channels=("TEST_CHANNEL",))
    await call.until(state=2)
    for data in ("hel", "lo\n"):
        request = {"pid": call.pid, "io": io("TEST_CHANNEL", data)}
        await harness.request("broker.rexec.write", request)
    await call.until(type="complete")  # though nobody has closed the channel
    assert call.text("TEST_CHANNEL") == "got hello\n"
    assert call.text("stdout") == "told hello\n"
    eofs = [answer["io"]["stream"] for answer in call.answers if answer.get("io", {}).get("eof")]
    assert sorted(eofs) == ["TEST_CHANNEL", "stderr", "stdout"]


async def test_the_end_of_a_channel_leaves_its_other_direction(harness: Harness) -> None:
    script = "cat <&$A; echo over >&$A; cat <&$B; printf rest >&$B"
    call = Call(harness, ["bash", "-c", script], channels=("A", "B"))
    await call.until(state=2)
    for name in "AB":
        request = {"pid": call.pid, "io": io(name, f"{name} says\n", eof=True)}
        await harness.request("broker.rexec.write", request)
    await call.until(type="complete")
    assert call.text("stdout") == "A says\nB says\n"
    assert (call.text("A"), call.text("B")) == ("over\n", "rest")


async def test_output_of_channels_is_only_told_to_who_wants_it(harness: Harness) -> None:
    script = "echo unseen >&$A; echo seen"
    call = Call(harness, ["bash", "-c", script], channels=("A",), channel_output=False)
    await call.until(type="complete")
    assert (call.text("A"), call.text("stdout")) == ("", "seen\n")


async def test_a_process_that_never_looks_at_its_channel_ends(harness: Harness) -> None:
    before = len(os.listdir("/proc/self/fd"))
    call = Call(harness, ["true"], channels=("A",))
    await call.until(type="complete")
    assert {"type": "state", "rank": 1, "state": 3, "status": 0} in call.answers
    assert len(os.listdir("/proc/self/fd")) == before


async def test_a_stream_that_is_not_there_is_not_written_to(harness: Harness) -> None:
    call = Call(harness, ["cat"], channels=("A",))
    await call.until(state=2)
    for name in ("stdout", "B"):
        with pytest.raises(FileNotFoundError):
            await harness.request("broker.rexec.write", {"pid": call.pid, "io": io(name, "x")})
    with pytest.raises(OSError, match="no stream or rank"):
        await harness.request("broker.rexec.write", {"pid": call.pid, "io": {"data": "x"}})
    await harness.request("broker.rexec.write", {"pid": call.pid, "io": io("stdin", eof=True)})
    await call.until(type="complete")


async def test_output_may_be_told_as_it_is_read(harness: Harness) -> None:
    script = "for i in 1 2 3; do printf $i; read _; done; printf x >&2"
    call = Call(harness, ["sh", "-c", script], opts={"stdout_LINE_BUFFER": "false"})

    def told(text: str) -> bool:
        return call.text("stdout") == text

    await call.until(state=2)
    for expected in ("1", "12", "123"):
        await harness.until(partial(told, expected))
        await harness.request("broker.rexec.write", {"pid": call.pid, "io": io("stdin", "\n")})
    await call.until(type="complete")
    assert call.text("stderr") == "x"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"opts": {"stdout_LINE_BUFFER": "maybe"}}, "stdout_LINE_BUFFER is true or false"),
        ({"opts": {"stdin_BUFSIZE": "4M"}}, "stdin_BUFSIZE is a number of bytes"),
        ({"channels": ["A", "A"]}, "taken already"),
        ({"channels": ["stdin"]}, "taken already"),
        ({"channels": ["A=B"]}, "environment variable"),
        ({"channels": [""]}, "environment variable"),
        ({"channels": [f"A{number}" for number in range(65)]}, "at most 64 channels"),
        ({"channels": 5}, "malformed command"),
        ({"opts": [1]}, "malformed command"),
    ],
)
async def test_commands_that_cannot_be_are_answered(
    harness: Harness, fields: dict[str, Any], message: str
) -> None:
    command = {"cmdline": ["true"], "cwd": "/", "env": {}, **fields}
    with pytest.raises(OSError, match=message):
        await harness.request("broker.rexec", {"cmd": dumps_str(command)})


async def test_the_bytes_that_may_wait_can_be_chosen(harness: Harness) -> None:
    opts = {"stdin_BUFSIZE": "100000", "stdout_BUFSIZE": "10", "SOMETHING_ELSE": "x"}
    call = Call(harness, ["sh", "-c", "printf 0123456789abc; sleep 100"], opts=opts)
    await call.until(state=2)
    await harness.until(lambda: call.text("stdout") == "0123456789abc")
    request = {"pid": call.pid, "io": io("stdin", "x" * 90_000)}
    await harness.request("broker.rexec.write", request)
    with pytest.raises(OSError, match="does not read its input"):
        await harness.request("broker.rexec.write", request)
    await harness.request("broker.rexec.signal", {"pid": call.pid, "signum": 9})
    await call.until(type="complete")
