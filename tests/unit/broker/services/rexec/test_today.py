"""The rexec service: processes for a client, in the background, waited for and attached to."""

from __future__ import annotations

import errno
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from broker.services.rexec.background import KEPT_MAX
from broker.services.rexec.today import TodaysRexecService
from broker.testing import ServiceHarness
from flux.wire.message import STREAMING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Harness = ServiceHarness[TodaysRexecService]
FOREGROUND, WAITABLE = 11, 16


@pytest.fixture
async def harness() -> AsyncIterator[Harness]:
    harness = ServiceHarness(TodaysRexecService, rank=1, size=2, attrs={"local-uri": "local:///x"})
    await harness.start()
    yield harness
    await harness.stop()
    await harness.until(lambda: all(one.complete for one in harness.service.table))


def command(*argv: str, label: str | None = None, cwd: str = "/") -> dict[str, Any]:
    told = {} if label is None else {"label": label}
    env = {"PATH": os.environ["PATH"]}
    return {"cwd": cwd, "cmdline": list(argv), "env": env, "opts": {}, "channels": [], **told}


class Stream:
    """A streaming request and what it is sent."""

    def __init__(self, harness: Harness, topic: str, payload: Any, client: str = "c") -> None:
        self.harness = harness
        self.tag = harness.submit(topic, payload, flags=STREAMING, sender=client)
        self.client = client

    @property
    def messages(self) -> list[Any]:
        return self.harness.replies(self.tag, sender=self.client)

    @property
    def answers(self) -> list[dict[str, Any]]:
        return [msg.json() for msg in self.messages if not msg.errnum]

    async def until(self, kind: str) -> dict[str, Any]:
        await self.harness.until(lambda: kind in [one["type"] for one in self.answers])
        return next(one for one in self.answers if one["type"] == kind)

    async def end(self) -> int:
        await self.harness.until(lambda: any(msg.errnum for msg in self.messages))
        return int(self.messages[-1].errnum)

    def text(self, stream: str) -> str:
        ios = [one["io"] for one in self.answers if one["type"] == "output"]
        return "".join(io.get("data", "") for io in ios if io["stream"] == stream)


def run(harness: Harness, *argv: str, flags: int = FOREGROUND, **more: Any) -> Stream:
    return Stream(harness, "rexec.exec", {"cmd": command(*argv, **more), "flags": flags})


async def background(harness: Harness, *argv: str, flags: int = 0, **more: Any) -> int:
    payload = {"cmd": command(*argv, **more), "flags": flags}
    answer = await harness.request("rexec.exec", payload)
    assert answer["type"] == "started"
    return int(answer["pid"])


async def refused(harness: Harness, topic: str, payload: Any) -> OSError:
    with pytest.raises(OSError) as caught:
        await harness.request(topic, payload)
    return caught.value


def logged(harness: Harness) -> list[str]:
    return [entry.text for entry in harness.logs]


async def states(harness: Harness) -> dict[str, str]:
    listed = (await harness.request("rexec.list", {}))["procs"]
    return {proc["label"]: proc["state"] for proc in listed}


async def test_a_process_of_a_client(harness: Harness) -> None:
    asked = command("sh", "-c", "cat; echo err >&2; exit 3") | {"opts": {"stdin_BUFSIZE": "3"}}
    call = Stream(harness, "rexec.exec", {"cmd": asked, "flags": FOREGROUND})
    started = await call.until("started")
    assert (await call.until("add-credit"))["channels"] == {"stdin": 3}
    for io in ({"data": "in\n"}, {"eof": True}):
        chunk = {"stream": "stdin", "rank": "0", **io}
        harness.submit("rexec.write", {"matchtag": call.tag, "io": chunk}, sender="c")
    assert await call.end() == errno.ENODATA
    assert (call.text("stdout"), call.text("stderr")) == ("in\n", "err\n")
    assert (await call.until("finished"))["status"] == 3 << 8
    given = [one["channels"]["stdin"] for one in call.answers if "channels" in one]
    assert given == [3, 3]
    assert started["pid"] > 1
    assert await states(harness) == {}


async def test_streams_that_are_not_asked_for(harness: Harness) -> None:
    call = run(harness, "sh", "-c", "echo out; echo err >&2", flags=1)
    assert await call.end() == errno.ENODATA
    assert (call.text("stdout"), call.text("stderr")) == ("out\n", "")
    assert "add-credit" not in [one["type"] for one in call.answers]


async def test_a_command_that_cannot_be_started_and_a_place_that_is_not_there(
    harness: Harness,
) -> None:
    failure = await refused(harness, "rexec.exec", {"cmd": command("nosuch"), "flags": 0})
    assert failure.errno == errno.ENOENT
    assert failure.strerror == "error launching process: No such file or directory"
    call = run(harness, "pwd", cwd="/nosuch")
    assert await call.end() == errno.ENODATA
    assert call.text("stdout") == "/tmp\n"
    assert call.text("stderr").startswith("Could not change dir to /nosuch: No such file")


async def test_what_a_background_process_writes_is_logged(harness: Harness) -> None:
    pid = await background(harness, "sh", "-c", "cat; echo out; echo err >&2; exit 3", label="q")
    await harness.until(lambda: f"q: sh[{pid}]: Exit 3" in logged(harness))
    assert {f"q[{pid}]: out", f"q[{pid}]: err"} <= set(logged(harness))
    await harness.until(lambda: not harness.service.table)


async def test_a_waitable_process_is_kept_until_it_is_waited_for(harness: Harness) -> None:
    script = "echo out; echo err >&2; exit 2"
    pid = await background(harness, "sh", "-c", script, flags=WAITABLE, label="w")
    await harness.until(lambda: all(one.complete for one in harness.service.table))
    assert await states(harness) == {"w": "Z"}
    ended = await refused(harness, "rexec.kill", {"pid": pid, "label": "", "signum": 15})
    assert ended.errno == errno.ESRCH
    answer = await harness.request("rexec.wait", {"pid": -1, "label": "w"})
    kept = {chunk["stream"]: chunk["data"] for chunk in answer["output"]}
    assert (answer["status"], kept) == (2 << 8, {"stdout": "out\n", "stderr": "err\n"})
    assert await states(harness) == {}


async def test_what_is_kept_has_a_bound(harness: Harness) -> None:
    script = f"head -c {KEPT_MAX * 2} /dev/zero | tr '\\0' x"
    pid = await background(harness, "sh", "-c", script, flags=WAITABLE)
    answer = await harness.request("rexec.wait", {"pid": pid})
    assert [len(chunk["data"]) for chunk in answer["output"]] == [KEPT_MAX]


async def test_one_waits_and_a_signal_ends_it(harness: Harness) -> None:
    await background(harness, "sleep", "1000", flags=WAITABLE, label="s")
    waiting = harness.submit("rexec.wait", {"pid": -1, "label": "s"})
    second = await refused(harness, "rexec.wait", {"pid": -1, "label": "s"})
    assert second.strerror == "process is already being waited on"
    await harness.request("rexec.kill", {"pid": -1, "label": "s", "signum": 15})
    await harness.until(lambda: bool(harness.replies(waiting)))
    assert harness.replies(waiting)[0].json() == {"status": signal.SIGTERM}


async def test_one_client_attaches(harness: Harness) -> None:
    script = "while [ ! -e $0 ]; do sleep 0.01; done; echo late; exit 4"
    marker = f"/tmp/rexec-{os.getpid()}"
    await background(harness, "sh", "-c", script, marker, label="a")
    who = {"pid": -1, "label": "a", "flags": 3}
    one = Stream(harness, "rexec.attach", who)
    attached = await one.until("attached")
    assert attached["cmd"]["label"] == "a"
    two = Stream(harness, "rexec.attach", who, "d")
    assert await two.end() == errno.EBUSY
    try:
        with open(marker, "w"):
            assert await one.end() == errno.ENODATA
    finally:
        os.unlink(marker)
    assert one.text("stdout") == "late\n"
    assert (await one.until("finished"))["status"] == 4 << 8


async def test_a_client_that_goes_takes_only_its_own_along(harness: Harness) -> None:
    await background(harness, "sleep", "1000", label="b", flags=WAITABLE)
    attached = Stream(harness, "rexec.attach", {"pid": -1, "label": "b", "flags": 3})
    await attached.until("attached")
    own = run(harness, "sleep", "1000", label="own")
    await own.until("started")
    harness.submit("rexec.disconnect", None, sender="c")
    await harness.until(lambda: len(harness.service.table) == 1)
    assert await states(harness) == {"b": "R"}
    again = Stream(harness, "rexec.attach", {"pid": -1, "label": "b", "flags": 3}, "d")
    await again.until("attached")


async def test_refusals(harness: Harness) -> None:
    await background(harness, "sleep", "1000", label="x")
    own = run(harness, "sleep", "1000", label="own")
    await own.until("started")
    sleeping = command("sleep", "1000", label="x")
    for topic, payload, number, text in (
        ("exec", {"cmd": sleeping, "flags": 0}, errno.EINVAL, "command label is not unique"),
        ("exec", {"cmd": {}, "flags": 0}, errno.EPROTO, "malformed command"),
        ("exec", {"cmd": command("true")}, errno.EPROTO, None),
        ("wait", {"pid": -1, "label": "x"}, errno.EINVAL, "process is not waitable"),
        ("wait", {"pid": 1}, errno.ESRCH, "pid 1 does not belong to any subprocess"),
        ("kill", {"pid": -1, "label": "y", "signum": 1}, errno.ESRCH, None),
        ("kill", {"pid": -1, "label": "x", "signum": 1000}, errno.EINVAL, "1000 is no signal"),
    ):
        failure = await refused(harness, f"rexec.{topic}", payload)
        assert failure.errno == number, (topic, payload)
        assert text is None or failure.strerror == text
    for label, number in (("own", errno.EINVAL), ("nosuch", errno.ENOENT)):
        stream = Stream(harness, "rexec.attach", {"pid": -1, "label": label, "flags": 3})
        assert await stream.end() == number
    waiting = run(harness, "true", flags=WAITABLE)
    assert await waiting.end() == errno.EINVAL
