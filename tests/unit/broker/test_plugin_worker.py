"""Site code in a process of its own: calls, their time, its end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
from typing import TYPE_CHECKING

import pytest

from broker.plugin_worker import PluginWorker, WorkerLost

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

MODULE = "tests.unit.broker.plugin_child_program"
Log = list[tuple[int, str]]


@contextlib.asynccontextmanager
async def running(log: Log | None = None, timeout: float = 60.0) -> AsyncIterator[PluginWorker]:
    lines = [] if log is None else log
    worker = PluginWorker(
        MODULE,
        "site",
        lambda level, text: lines.append((level, text)),
        setup={"a": 1},
        timeout=timeout,
    )
    try:
        yield worker
    finally:
        await worker.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


def gone(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


async def test_calls_are_answered_in_their_order_and_setup_comes_first() -> None:
    async with running() as worker:
        answers = await asyncio.gather(*(worker.call("echo", n) for n in range(100)))
        assert answers == list(range(100))
        assert worker.setup_answer == {"setup": {"a": 1}, "pid": worker.pid}


async def test_large_payloads_go_both_ways() -> None:
    async with running() as worker:
        payload = ["x" * 1000] * 5000
        assert await worker.call("echo", payload) == payload


@pytest.mark.parametrize(
    ("method", "errnum", "text"),
    [
        ("fail", errno.ENOENT, "no thing"),
        ("broken", errno.EINVAL, "ZeroDivisionError: integer division or modulo by zero"),
        ("exit", errno.EINVAL, "SystemExit: 3"),
        ("unspeakable", errno.EINVAL, "Type is not JSON serializable: object"),
        ("nothing", errno.EINVAL, "KeyError: 'nothing'"),
    ],
)
async def test_what_fails_is_told_and_the_process_goes_on(
    method: str, errnum: int, text: str
) -> None:
    async with running() as worker:
        with pytest.raises(OSError, match=re.escape(text)) as caught:
            await worker.call(method, "thing")
        assert caught.value.errno == errnum
        before = worker.pid
        assert await worker.call("echo", 5) == 5
        assert worker.pid == before


async def test_a_process_that_ends_is_started_again_by_the_next_call() -> None:
    async with running() as worker:
        with pytest.raises(WorkerLost, match="site ended with exit code 3"):
            await worker.call("die", None)
        assert await worker.call("echo", 5) == 5


async def test_a_process_that_was_killed_between_calls_is_started_again() -> None:
    async with running() as worker:
        await worker.start()
        first = worker.pid
        assert first is not None
        os.kill(first, 9)
        await until(lambda: gone(first))
        with contextlib.suppress(WorkerLost):  # its end may not be known yet
            await worker.call("echo", 4)
        assert await worker.call("echo", 5) == 5
        assert worker.pid != first


async def test_an_endless_loop_is_ended_and_calls_behind_it_are_answered() -> None:
    async with running() as worker:
        await worker.start()
        loop = asyncio.create_task(worker.call("spin", None, 0.2))
        behind = asyncio.create_task(worker.call("echo", 5))
        with pytest.raises(WorkerLost, match=r"site took more than 0.2 seconds") as caught:
            await loop
        assert caught.value.errno == errno.ETIMEDOUT
        assert await behind == 5


async def test_what_a_plugin_started_ends_with_it() -> None:
    log: Log = []
    async with running(log) as worker:
        with pytest.raises(WorkerLost):
            await worker.call("leave", None, 1.0)
        started = int(log[-1][1].split()[-1])
        await until(lambda: gone(started))


@pytest.mark.parametrize("then", ["answer", "die", "spin"])
async def test_a_daemon_that_a_plugin_started_ends_with_it_and_blocks_nobody(then: str) -> None:
    log: Log = []
    async with running(log) as worker, asyncio.timeout(60):
        with contextlib.suppress(WorkerLost):
            await worker.call("daemon", then, 1.0 if then == "spin" else 15.0)
        assert await worker.call("echo", 5) == 5
        started = next(int(text.split()[-1]) for _, text in log if "started" in text)
        await worker.close()
        await until(lambda: gone(started))


async def test_the_end_of_a_process_is_noticed_though_what_it_forked_holds_its_socket() -> None:
    async with running() as worker:
        with pytest.raises(WorkerLost, match="site ended with exit code 3"):
            await worker.call("daemon", "die")


@pytest.mark.parametrize(
    "texts",
    [b"\0\0\0\2@@", b"\xff\xff\xff\xff", b"\0\0\0\7[1,2,3]", b'\0\0\0\x0e["result",[],1]'],
)
async def test_what_is_no_answer_is_one_sentence_and_a_new_process(texts: bytes) -> None:
    async with running() as worker:
        with pytest.raises(WorkerLost, match="site sent what is no answer"):
            await worker.call("raw", list(texts))
        assert await worker.call("echo", 5) == 5


async def test_what_cannot_be_sent_is_refused_and_the_process_goes_on() -> None:
    async with running() as worker:
        await worker.start()
        before = worker.pid
        with pytest.raises(OSError, match="site cannot be given this"):
            await worker.call("echo", object())
        assert await worker.call("echo", 5) == 5
        assert worker.pid == before


async def test_threads_of_a_plugin_may_log_at_the_same_time() -> None:
    log: Log = []
    async with running(log) as worker:
        await worker.call("chatter", None)
    assert sorted(text[-1] * 100_000 == text[-100_000:] for _, text in log) == [True] * 200


async def test_a_start_that_is_cancelled_at_any_time_leaves_nothing_open() -> None:
    async with running() as worker:
        await worker.call("echo", 1)
        await worker.close()
    before = len(os.listdir("/proc/self/fd"))
    for turns in range(30):
        async with running() as worker:
            start = asyncio.create_task(worker.start())
            for _ in range(turns):
                await asyncio.sleep(0)
            start.cancel()
            await asyncio.sleep(0)
            start.cancel()
            await asyncio.wait([start])
    await until(lambda: len(os.listdir("/proc/self/fd")) <= before)


async def test_the_process_of_a_call_that_is_cancelled_twice_is_ended_all_the_same() -> None:
    async with running() as worker:
        await worker.start()
        pid = worker.pid
        assert pid is not None
        call = asyncio.create_task(worker.call("spin", None))
        for _ in range(3):
            await asyncio.sleep(0)
            call.cancel()
        await asyncio.wait([call])
        await until(lambda: gone(pid))


async def test_closing_does_not_wait_for_a_call_that_is_about_to_begin() -> None:
    async with running() as worker:
        call = asyncio.create_task(worker.call("spin", None))
        await asyncio.sleep(0)
        await worker.close()
        with pytest.raises(OSError, match="site is being closed"):
            await call


async def test_a_call_that_is_cancelled_spoils_none_after_it() -> None:
    async with running() as worker:
        await worker.start()
        call = asyncio.create_task(worker.call("spin", None))
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await worker.call("echo", 5) == 5


async def test_what_is_printed_is_logged_without_control_characters() -> None:
    log: Log = []
    async with running(log) as worker:
        await worker.call("print", "hello\x1b[2J\nthere")
        await worker.call("print", "y" * 100_000)
        await until(lambda: len(log) >= 4)
    assert log[:2] == [(6, "site: hello\\u001b[2J"), (6, "site: there")]
    assert sum(text.count("y") for _, text in log[2:]) == 100_000


async def test_closing_ends_the_process_and_refuses_calls() -> None:
    async with running() as worker:
        await worker.start()
        pid = worker.pid
        await worker.close()
        assert pid is not None
        assert gone(pid)
        with pytest.raises(OSError, match="site is being closed"):
            await worker.call("echo", 1)


async def test_a_module_that_is_not_there_is_one_sentence() -> None:
    log: Log = []
    worker = PluginWorker("broker.no_such_module", "site", lambda *line: log.append(line))
    with pytest.raises(WorkerLost, match="site ended with exit code 1"):
        await worker.start()
    assert any("No module named" in text for _, text in log)
    await worker.close()
