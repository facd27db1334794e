"""The cron module against a scripted broker."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import pytest

from broker.services.cron.service import CronService
from broker.testing.harness import ServiceHarness
from flux.wire import json

if TYPE_CHECKING:
    from flux.wire.message import Message

OPEN = ServiceHarness.OPEN


async def _cron(args: list[str] | None = None, size: int = 2) -> ServiceHarness[CronService]:
    rpcs = {"broker.rexec": lambda payload: OPEN, "broker.rexec.signal": lambda payload: None}
    harness = ServiceHarness(CronService, size=size, rpcs=rpcs)
    await harness.start(args)
    return harness


async def _create(
    harness: ServiceHarness[CronService], kind: str = "event", **more: Any
) -> dict[str, Any]:
    args = {"topic": "foo"} if kind == "event" else {"interval": 0.01}
    more = {name.replace("_", "-"): value for name, value in more.items()}
    payload = {"type": kind, "name": "x", "args": args, "command": "hostname", **more}
    return await harness.request("cron.create", payload)


def _runs(harness: ServiceHarness[CronService]) -> list[Message]:
    return [msg for msg in harness.sent if msg.topic == "broker.rexec"]


async def _entry(harness: ServiceHarness[CronService]) -> dict[str, Any]:
    entries: list[dict[str, Any]] = (await harness.request("cron.list"))["entries"]
    return entries[0]


def _finish(
    harness: ServiceHarness[CronService], run: Message, status: int = 0, output: str = ""
) -> None:
    harness.answer(run, {"type": "start", "rank": 0})
    harness.answer(run, {"type": "state", "rank": 0, "pid": 42, "state": 2})
    if output:
        io = {"stream": "stdout", "rank": "0", "data": output}
        harness.answer(run, {"type": "output", "rank": 0, "pid": 42, "io": io})
    harness.answer(run, {"type": "state", "rank": 0, "state": 3, "status": status})
    for stream in ("stdout", "stderr"):
        ended = {"stream": stream, "rank": "0", "eof": True}
        harness.answer(run, {"type": "output", "rank": 0, "pid": 42, "io": ended})
    harness.answer(run, {"type": "complete", "rank": 0})


async def test_event_runs_the_command_and_logs_its_output() -> None:
    harness = await _cron()
    assert (await _create(harness, rank=1))["id"] == 1
    harness.publish("foo.bar")
    (run,) = _runs(harness)
    assert run.nodeid == 1
    assert json.loads(run.json()["cmd"])["cmdline"] == ["sh", "-c", "hostname"]
    _finish(harness, run, output="vm\nrest")
    texts = [entry.text for entry in harness.logs]
    assert texts == [f'cron-1[x]: rank=1: command="hostname": "{line}"' for line in ("vm", "rest")]
    entry = await _entry(harness)
    assert (entry["stats"]["success"], entry["tasks"][0]["state"], entry["tasks"][0]["code"]) == (
        1,
        "Exited",
        0,
    )
    await harness.stop()


async def test_interval_runs_again_after_the_task_has_ended() -> None:
    harness = await _cron()
    await _create(harness, "interval", repeat=2)
    await harness.until(lambda: len(_runs(harness)) == 1)
    await harness.until(lambda: any("task still running" in entry.text for entry in harness.logs))
    _finish(harness, _runs(harness)[0])
    await harness.until(lambda: len(_runs(harness)) == 2)
    _finish(harness, _runs(harness)[1])
    entry = await _entry(harness)
    assert (entry["stopped"], entry["stats"]["count"], len(entry["tasks"])) == (True, 2, 1)
    await harness.stop()


async def test_tasks_wait_for_the_sync_event() -> None:
    harness = await _cron(["sync=heartbeat.pulse", "sync_epsilon=0"])
    await _create(harness)
    harness.publish("foo")
    assert _runs(harness) == []
    entry = await _entry(harness)
    assert (entry["tasks"][0]["state"], entry["stats"]["deferred"]) == ("Deferred", 1)
    assert harness.logs[-1].text == "deferring cron-1 to next heartbeat.pulse event"
    harness.publish("heartbeat.pulse")
    assert len(_runs(harness)) == 1
    await harness.stop()


async def test_sync_query_set_and_disable() -> None:
    harness = await _cron(["sync=a"])
    assert await harness.request("cron.sync", {}) == {"sync_event": "a", "sync_epsilon": 0.015}
    answer = await harness.request("cron.sync", {"sync_epsilon": 0.025, "topic": "b"})
    assert answer == {"sync_event": "b", "sync_epsilon": 0.025}
    await _create(harness)
    harness.publish("foo")
    assert await harness.request("cron.sync", {"disable": True}) == {"sync_disabled": True}
    assert len(_runs(harness)) == 1
    await harness.stop()


async def test_failure_is_logged_and_stops_the_entry() -> None:
    harness = await _cron()
    await _create(harness, stop_on_failure=1)
    harness.publish("foo")
    _finish(harness, _runs(harness)[0], status=256)
    assert harness.logs[-1].text.endswith("Failed: Exited: code=1")
    assert (await _entry(harness))["stopped"]
    harness.publish("foo")
    assert len(_runs(harness)) == 1
    started = await harness.request("cron.start", {"id": 1})
    assert (started["stopped"], started["stats"]["failcount"]) == (False, 0)
    harness.publish("foo")
    assert len(_runs(harness)) == 2
    await harness.stop()


async def test_a_command_that_cannot_be_started() -> None:
    harness = await _cron()
    await _create(harness)
    harness.publish("foo")
    harness.answer(
        _runs(harness)[0], {"type": "state", "rank": 0, "state": 1, "errno": errno.ENOENT}
    )
    entry = await _entry(harness)
    assert (entry["tasks"][0]["state"], entry["stats"]["failure"]) == ("Exec Failure", 1)
    await harness.stop()


async def test_timeout_kills_the_command() -> None:
    harness = await _cron()
    await _create(harness, timeout=0.01)
    harness.publish("foo")
    run = _runs(harness)[0]
    harness.answer(run, {"type": "state", "rank": 0, "pid": 42, "state": 2})
    await harness.until(lambda: any(msg.topic == "broker.rexec.signal" for msg in harness.sent))
    harness.answer(run, {"type": "state", "rank": 0, "state": 3, "status": 15})
    harness.answer(run, {"type": "complete", "rank": 0})
    assert (await _entry(harness))["tasks"][0]["state"] == "Timeout"
    await harness.stop()


async def test_stop_and_delete() -> None:
    harness = await _cron()
    await _create(harness)
    await _create(harness)
    harness.publish("foo")
    assert len(_runs(harness)) == 2
    harness.answer(_runs(harness)[0], {"type": "state", "rank": 0, "pid": 42, "state": 2})
    assert (await harness.request("cron.stop", {"id": 2}))["stopped"]
    assert (await harness.request("cron.delete", {"id": 1, "kill": True}))["id"] == 1
    await harness.until(lambda: any(msg.topic == "broker.rexec.signal" for msg in harness.sent))
    harness.publish("foo")
    assert len(_runs(harness)) == 2
    assert [entry["id"] for entry in (await harness.request("cron.list"))["entries"]] == [2]
    await harness.stop()


@pytest.mark.parametrize(
    ("topic", "payload", "errnum"),
    [
        ("delete", {"id": 99}, errno.ENOENT),
        ("stop", {"id": 99}, errno.ENOENT),
        ("start", {"id": 99}, errno.ENOENT),
        ("stop", {}, errno.EPROTO),
        ("create", {"type": "nosuch", "command": "x", "args": {}}, errno.EINVAL),
        (
            "create",
            {"type": "interval", "command": "x", "args": {"interval": 1}, "rank": 7},
            errno.EHOSTUNREACH,
        ),
        ("create", {"command": "x", "args": {}}, errno.EPROTO),
        ("sync", {"sync_epsilon": "x"}, errno.EPROTO),
    ],
)
async def test_errors(topic: str, payload: dict[str, Any], errnum: int) -> None:
    harness = await _cron()
    with pytest.raises(OSError) as caught:
        await harness.request(f"cron.{topic}", payload)
    assert caught.value.errno == errnum
    assert harness.service.facts() == {"entries": 0, "deferred": 0}
    await harness.stop()


async def test_bad_module_option() -> None:
    with pytest.raises(OSError, match="unknown module option"):
        await _cron(["nosuch=1"])


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("cron.sync", {"sync_epsilon": 1e300}),
        ("cron.sync", {"sync_epsilon": -1}),
        ("cron.sync", {"sync_epsilon": True}),
        ("cron.create", {"type": "interval", "args": {"interval": 1e300}, "command": "x"}),
        ("cron.create", {"type": "interval", "args": {"interval": "nan"}, "command": "x"}),
        ("cron.create", {"type": "interval", "args": {"interval": "inf"}, "command": "x"}),
        ("cron.create", {"type": "event", "args": {"topic": "a", "nth": 1e300}, "command": "x"}),
        ("cron.create", {"type": "event", "args": {"topic": "a", "nth": "x"}, "command": "x"}),
        ("cron.create", {"type": "datetime", "args": {"minute": "9" * 5000}, "command": "x"}),
        ("cron.create", {"type": "datetime", "args": {"minute": "x"}, "command": "x"}),
        (
            "cron.create",
            {"type": "interval", "args": {"interval": 1}, "command": "x", "timeout": 1e300},
        ),
        (
            "cron.create",
            {"type": "interval", "args": {"interval": 1}, "command": "x", "repeat": 1e300},
        ),
        (
            "cron.create",
            {
                "type": "interval",
                "args": {"interval": 1},
                "command": "x",
                "task-history-count": 10**12,
            },
        ),
    ],
)
async def test_numbers_out_of_range_are_refused_in_plain_words(
    topic: str, payload: dict[str, Any]
) -> None:
    harness = ServiceHarness(CronService)
    await harness.start()
    with pytest.raises(OSError) as refused:
        await harness.request(topic, payload)
    assert refused.value.errno in (errno.EINVAL, errno.EPROTO)
    assert not [
        word
        for word in ("int()", "float", "convert", "carried out")
        if word in (refused.value.strerror or "")
    ]
    assert (await harness.request("cron.list"))["entries"] == []
    await harness.stop()
