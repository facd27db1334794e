"""The Python handle, blocking and asyncio, against a live instance; modules that are Python
files.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

import flux
from flux.aio import AsyncFlux
from flux.constants import FLUX_MSGTYPE_REQUEST, FLUX_NODEID_UPSTREAM, FLUX_RPC_STREAMING
from flux.future import WaitAllFuture
from flux.rpc import RPC
from flux.testing.instance import Instance, running_instance

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(3) as running:
        yield running


@pytest.fixture
def h(instance: Instance) -> Iterator[flux.Flux]:
    with flux.Flux(instance.uri) as handle:
        yield handle


def test_rpcs_and_attributes(h: flux.Flux) -> None:
    assert h.rpc("attr.get", {"name": "size"}).get() == {"value": "3", "flags": 1}
    assert h.attr_get("rank") == "0"
    with pytest.raises(FileNotFoundError):
        h.attr_get("nosuch")
    assert RPC(h, b"kvs.ping", {"seq": 1}, nodeid=2).get()["seq"] == 1
    with pytest.raises(OSError, match="No service matching") as caught:
        h.rpc("nosuch.x").get()
    assert caught.value.errno == errno.ENOSYS
    with pytest.raises(OSError, match="No route to host"):
        h.rpc("kvs.ping", {}, nodeid=FLUX_NODEID_UPSTREAM).get()


def test_a_handle_to_another_rank(instance: Instance) -> None:
    with flux.Flux(instance.uri.removesuffix("0") + "2") as handle:
        assert (handle.get_rank(), handle.get_size()) == (2, 3)
        assert handle.rpc("kvs.ping", {"seq": 4}, nodeid=FLUX_NODEID_UPSTREAM).get()["seq"] == 4


def test_callbacks_run_in_the_reactor(h: flux.Flux) -> None:
    order: list[Any] = []
    for number in range(5):
        h.rpc("kvs.ping", {"n": number}).then(
            lambda rpc, word: order.append((rpc.get()["n"], word)), "w"
        )
    assert order == []
    assert h.reactor_run() == 0
    assert sorted(order) == [(number, "w") for number in range(5)]


def test_a_callback_may_wait_for_another_rpc(h: flux.Flux) -> None:
    answers: list[str] = []
    h.rpc("kvs.ping", {}).then(
        lambda _: answers.append(h.rpc("attr.get", {"name": "size"}).get()["value"])
    )
    h.reactor_run()
    assert answers == ["3"]


def test_timeouts(h: flux.Flux) -> None:
    never = h.rpc("barrier.enter", {"name": "never", "count": 1, "nprocs": 9, "internal": False})
    started = time.monotonic()
    with pytest.raises(TimeoutError, match=r"no result within 0\.1 s"):
        never.wait_for(0.1)
    assert time.monotonic() - started > 0.09
    errors: list[str | None] = []
    second = h.rpc("barrier.enter", {"name": "never2", "count": 1, "nprocs": 9, "internal": False})
    second.then(lambda rpc: errors.append(rpc.error_string()), timeout=0.05)
    h.reactor_run()
    assert errors == ["no result within 0.05 s"]


def test_streams_by_reset(h: flux.Flux) -> None:
    lines: list[str] = []
    ends: list[int | None] = []
    rpc = h.rpc("log.dmesg", {"follow": False}, flags=FLUX_RPC_STREAMING)

    def each(future: RPC) -> None:
        try:
            lines.append(future.get_str() or "")
        except OSError as exc:
            ends.append(exc.errno)
            return
        future.reset()

    rpc.then(each)
    h.reactor_run()
    assert ends == [errno.ENODATA]
    assert len(lines) > 5
    assert all(line.startswith("<") for line in lines)


def test_wait_all(h: flux.Flux) -> None:
    children = [h.rpc("kvs.ping", {"n": n}, nodeid=n) for n in range(3)]
    WaitAllFuture(children).wait_for(60)
    assert [child.get()["n"] for child in children] == [0, 1, 2]


def test_events(h: flux.Flux) -> None:
    h.event_subscribe("test.a")
    h.event_send("test.b")
    h.event_send("test.a.one", {"x": 1})
    h.event_send("test.a.two")
    first, second = h.event_recv("test.a.*"), h.event_recv()
    assert (first.topic, first.payload, first.type_str) == ("test.a.one", {"x": 1}, "event")
    assert (second.topic, second.payload) == ("test.a.two", None)
    assert second.seq > first.seq
    h.event_unsubscribe("test.a")
    nothing: Any = None
    with pytest.raises(OSError, match="the topic must not be None") as caught:
        h.event_subscribe(nothing)
    assert caught.value.errno == errno.EINVAL
    number: Any = 5
    with pytest.raises(TypeError):
        h.event_subscribe(number)


def test_timers_descriptors_and_signals(h: flux.Flux) -> None:
    seen: list[Any] = []
    reader, writer = os.pipe()

    def on_fd(_handle: flux.Flux, watcher: Any, fd: int, _args: Any) -> None:
        seen.append(os.read(fd, 10))
        watcher.stop()

    def on_signal(_handle: flux.Flux, watcher: Any, signum: int, _args: Any) -> None:
        seen.append(signum)
        watcher.stop()

    def on_timer(_handle: flux.Flux, _watcher: Any, _revents: int, args: Any) -> None:
        seen.append(args)
        os.write(writer, b"x")
        os.kill(os.getpid(), signal.SIGUSR1)

    h.fd_watcher_create(reader, on_fd).start()
    h.signal_watcher_create(signal.SIGUSR1, on_signal).start()
    h.timer_watcher_create(0.01, on_timer, args="tick").start()
    assert h.reactor_run() == 0
    assert seen[0] == "tick"
    assert set(seen[1:]) == {b"x", signal.SIGUSR1}
    os.close(reader)
    os.close(writer)


def test_a_repeating_timer_runs_until_stopped(h: flux.Flux) -> None:
    ticks: list[int] = []

    def tick(handle: flux.Flux, _watcher: Any, _revents: int, _args: Any) -> None:
        ticks.append(1)
        if len(ticks) == 3:
            handle.reactor_stop()

    with h.timer_watcher_create(0.0, tick, repeat=0.005):
        assert h.reactor_run() == 1
    assert len(ticks) == 3


def test_an_exception_set_in_a_callback_is_raised_by_the_run(h: flux.Flux) -> None:
    def fail(*_args: Any) -> None:
        flux.Flux.set_exception(KeyError("mine"))
        h.reactor_stop_error()

    h.timer_watcher_create(0.0, fail).start()
    with pytest.raises(KeyError, match="mine"):
        h.reactor_run()


def test_a_service_in_python(instance: Instance, h: flux.Flux) -> None:
    with flux.Flux(instance.uri) as server:
        server.service_register("adder").get()

        def add(handle: flux.Flux, _watcher: Any, message: Any, _args: Any) -> None:
            handle.respond(message, {"sum": sum(message.payload["terms"])})
            handle.reactor_stop()

        watcher = server.msg_watcher_create(add, FLUX_MSGTYPE_REQUEST, "adder.sum")
        watcher.start()
        thread = threading.Thread(target=server.reactor_run)
        thread.start()
        assert h.rpc("adder.sum", {"terms": [1, 2, 3]}).get() == {"sum": 6}
        thread.join(60)
        server.service_unregister("adder").get()
        with pytest.raises(OSError, match="No service"):
            h.rpc("adder.sum", {"terms": []}).get()


def test_a_lost_broker_fails_every_rpc() -> None:
    with running_instance(1) as instance, flux.Flux(instance.uri) as handle:
        held = handle.rpc(
            "barrier.enter", {"name": "x", "count": 1, "nprocs": 2, "internal": False}
        )
        instance.stop()
        with pytest.raises(OSError, match="Connection reset by peer"):
            held.get()
        with pytest.raises(OSError, match="Connection reset by peer"):
            handle.rpc("attr.get", {"name": "size"}).get()


async def test_the_asyncio_handle(instance: Instance) -> None:
    async with await AsyncFlux.connect(instance.uri) as handle:
        assert (handle.rank, handle.size) == (0, 3)
        sub = await handle.subscribe("aio.")
        await handle.publish("aio.x", {"a": 1})
        assert await handle.publish_seq("aio.y") > 0
        assert [(await anext(sub)).topic, (await anext(sub)).topic] == ["aio.x", "aio.y"]
        await sub.close()
        async with handle.stream("log.dmesg", {"follow": False}, cancel=None) as stream:
            assert (await stream.next_message()) is not None
        with pytest.raises(TimeoutError):
            await handle.rpc(
                "barrier.enter",
                {"name": "n", "count": 1, "nprocs": 2, "internal": False},
                timeout=0.05,
            )
        answers = await asyncio.gather(
            *(handle.rpc("kvs.ping", {"n": n}, nodeid=n % 3) for n in range(50))
        )
        assert [answer["n"] for answer in answers] == list(range(50))


async def test_the_asyncio_handle_without_a_broker() -> None:
    with pytest.raises(FileNotFoundError):
        await AsyncFlux.connect("local:///nonexistent/socket")
