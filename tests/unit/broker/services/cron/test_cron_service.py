"""The cron module against a scripted broker."""

from __future__ import annotations

import errno
import re
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
    assert harness.logs[-1].text.endswith('cron-1: "hostname": Failed: Exit 1')
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
    told = (await harness.request("cron.list"))["entries"]
    assert [entry["id"] for entry in told] == [1, 2]
    assert told[0]["tasks"][0]["state"] == "Running"
    with pytest.raises(OSError, match="only waits for its task"):
        await harness.request("cron.start", {"id": 1})
    _finish(harness, _runs(harness)[0], status=15)
    assert [entry["id"] for entry in (await harness.request("cron.list"))["entries"]] == [2]
    await harness.request("cron.delete", {"id": 2})
    await harness.request("cron.delete", {"id": 2, "kill": True})
    _finish(harness, _runs(harness)[1])
    assert (await harness.request("cron.list"))["entries"] == []
    await harness.stop()


async def test_a_command_that_is_not_found_is_told_from_one_that_fails() -> None:
    harness = await _cron()
    await _create(harness)
    harness.publish("foo")
    _finish(harness, _runs(harness)[0], status=127 << 8)
    task = (await _entry(harness))["tasks"][0]
    assert (task["state"], task["code"], task["status"]) == ("Failed", 127, 32512)
    assert harness.logs[-1].text == 'cron-1: "hostname": Failed: Exit 127'
    await harness.stop()


async def test_a_rank_that_does_not_exist_fails_the_run() -> None:
    harness = await _cron()
    await _create(harness, rank=99, repeat=1)
    harness.publish("foo")
    harness.answer(_runs(harness)[0], errnum=errno.EHOSTUNREACH)
    entry = await _entry(harness)
    assert (entry["stopped"], entry["stats"]["failure"]) == (True, 1)
    task = entry["tasks"][0]
    assert (task["state"], task["rexec_errno"]) == ("Rexec Failure", errno.EHOSTUNREACH)
    assert harness.logs[-1].text.endswith("Failed: No route to host")
    await harness.stop()


async def test_an_interval_of_0_runs_once_after_its_delay() -> None:
    harness = await _cron()
    payload = {
        "type": "interval",
        "name": "x",
        "args": {"interval": 0, "after": 0.01},
        "command": "hostname",
    }
    told = await harness.request("cron.create", payload)
    assert (told["repeat"], told["typedata"]["interval"]) == (0, 0)
    await harness.until(lambda: len(_runs(harness)) == 1)
    _finish(harness, _runs(harness)[0])
    entry = await _entry(harness)
    assert (entry["typedata"]["next_wakeup"], entry["stats"]["success"]) == (0.0, 1)
    for topic in ("stop", "start"):
        await harness.request(f"cron.{topic}", {"id": 1})
    await harness.until(lambda: len(_runs(harness)) == 2)
    await harness.stop()


async def test_a_run_put_off_by_the_least_interval_is_logged() -> None:
    harness = await _cron()
    payload = {
        "type": "event",
        "name": "x",
        "args": {"topic": "foo", "min_interval": 60.0},
        "command": "hostname",
    }
    await harness.request("cron.create", payload)
    harness.publish("foo")
    _finish(harness, _runs(harness)[0])
    for _ in range(3):
        harness.publish("foo")
    lines = [entry.text for entry in harness.logs if "min interval" in entry.text]
    assert len(lines) == 1
    assert re.fullmatch(r"cron-1: delaying (59\.\d{3}|60\.000)s due to min interval", lines[0])
    await harness.stop()


async def test_sync_without_a_payload_is_refused() -> None:
    harness = await _cron()
    with pytest.raises(OSError) as caught:
        await harness.request("cron.sync")
    assert caught.value.errno == errno.EPROTO
    assert await harness.request("cron.sync", {}) == {"sync_disabled": True}
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
            {"type": "interval", "command": "x", "args": {"interval": 1}, "rank": -1},
            errno.EINVAL,
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
