"""The blocking handle's messages against a live instance: what is sent and received by hand, polls,
heartbeats, published events, futures in asyncio programs.
"""

from __future__ import annotations

import asyncio
import errno
import os
import select
import socket
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

import flux
from flux.aio import AsyncFlux
from flux.constants import (
    FLUX_MSGTYPE_EVENT,
    FLUX_MSGTYPE_REQUEST,
    FLUX_MSGTYPE_RESPONSE,
    FLUX_O_CLONE,
    FLUX_O_MATCHDEBUG,
    FLUX_O_NONBLOCK,
    FLUX_O_TRACE,
    FLUX_POLLERR,
    FLUX_POLLIN,
    FLUX_POLLOUT,
    FLUX_RPC_STREAMING,
    FLUX_USERID_UNKNOWN,
)
from flux.core.handle import INTERNAL
from flux.core.reactor import Reactor
from flux.future import Future, all_of, any_of
from flux.message import Message
from flux.testing.instance import Instance, running_instance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flux.core.watchers import FDWatcher


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(2) as running:
        yield running


@pytest.fixture
def h(instance: Instance) -> Iterator[flux.Flux]:
    with flux.Flux(instance.uri) as handle:
        yield handle


def ping(number: int, nodeid: int = 0) -> Message:
    message = Message.from_request_encode("kvs.ping", {"n": number}, nodeid)
    message.matchtag = number
    return message


# Messages by hand


def test_many_large_requests_are_sent_before_an_answer_is_read(h: flux.Flux) -> None:
    # More than the broker lets wait for a client that does not read.
    pings = [h.rpc("kvs.ping", {"n": n, "pad": "x" * 1_000_000}) for n in range(50)]
    assert [ping.get()["n"] for ping in pings] == list(range(50))


def test_the_response_to_a_message_that_was_sent_is_received(h: flux.Flux) -> None:
    message = Message(FLUX_MSGTYPE_REQUEST)
    message.topic = "kvs.ping"
    h.send(message)
    answer = h.recv(FLUX_MSGTYPE_RESPONSE, timeout=60)
    assert (answer.topic, answer.errnum, answer.error_string) == ("kvs.ping", 0, None)
    h.send(Message.from_request_encode("no-such-service.x"))
    answer = h.recv(FLUX_MSGTYPE_RESPONSE, timeout=60)
    assert (answer.errnum, answer.error_string) == (
        errno.ENOSYS,
        "No service matching no-such-service.x is registered",
    )


def test_responses_are_told_apart_by_match_tags_and_rpcs_keep_theirs(h: flux.Flux) -> None:
    for number in range(1, 6):
        h.send(ping(number))
    assert h.rpc("kvs.ping", {"n": 99}).get()["n"] == 99
    for number in (3, 1, 5, 2, 4):
        assert h.recv(match_tag=number, timeout=60).payload["n"] == number
    assert h.recv(FLUX_MSGTYPE_RESPONSE, flags=FLUX_O_NONBLOCK) is None


def test_what_an_rpc_that_was_given_up_is_answered_is_dropped(h: flux.Flux) -> None:
    h.rpc("kvs.ping", {"n": 1}).cancel()
    h.rpc("kvs.ping", {"n": 2}).get()
    assert h.recv(flags=FLUX_O_NONBLOCK) is None


def test_rpc_message_sends_a_request_made_before(h: flux.Flux) -> None:
    assert h.rpc_message(ping(4, nodeid=1)).get()["n"] == 4


def test_receiving_does_not_wait_longer_than_told(h: flux.Flux) -> None:
    with pytest.raises(TimeoutError, match=r"no message within 0\.01 s"):
        h.recv(timeout=0.01)
    with pytest.raises(TimeoutError, match=r"no message within 0\.01 s"):
        h.event_recv(timeout=0.01)
    with pytest.raises(BlockingIOError):
        h.event_recv(flags=FLUX_O_NONBLOCK)


def test_a_handle_that_never_waits(instance: Instance) -> None:
    with flux.Flux(instance.uri, FLUX_O_NONBLOCK) as h:
        assert h.flags_get() == FLUX_O_NONBLOCK
        assert h.recv() is None
        h.flags_unset(FLUX_O_NONBLOCK)
        with pytest.raises(TimeoutError):
            h.recv(timeout=0.01)
        h.flags_set(FLUX_O_NONBLOCK)
        big = Message.from_request_encode("kvs.ping", {"pad": "x" * (1 << 22)})
        sent = 0
        with pytest.raises(BlockingIOError):  # noqa: PT012
            for _ in range(200):
                h.send(big)
                sent += 1
        h.flags_unset(FLUX_O_NONBLOCK)
        for _ in range(sent):
            assert len(h.recv(FLUX_MSGTYPE_RESPONSE, timeout=60).payload["pad"]) == 1 << 22
        assert h.rpc("kvs.ping", {"n": 1}).get()["n"] == 1


def test_flags_show_messages_and_what_was_never_got(
    instance: Instance, capsys: pytest.CaptureFixture[str]
) -> None:
    with flux.Flux(instance.uri, FLUX_O_TRACE | FLUX_O_MATCHDEBUG) as h:
        h.rpc("kvs.ping", {"n": 1}).get()
        h.rpc("barrier.enter", {"name": "q", "count": 1, "nprocs": 9, "internal": False})
    shown = capsys.readouterr().err
    assert "> kvs.ping\n> flags=topic,payload,route " in shown
    assert "< kvs.ping\n< flags=topic,payload,route " in shown
    assert "MATCHDEBUG: leaked matchtag=2 <RPC barrier.enter: waiting>" in shown
    with pytest.raises(OSError, match="unknown flags 0x2") as caught:
        flux.Flux(instance.uri, FLUX_O_CLONE)
    assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize("handle", ["flux.Flux()", "asyncio.run(main())"])
def test_the_environment_asks_for_a_trace(instance: Instance, handle: str) -> None:
    program = f"""
import asyncio, flux
from flux.aio import AsyncFlux
async def main():
    handle = await AsyncFlux.connect()
    await handle.rpc("kvs.ping", {{}})
    await handle.close()
h = {handle}
if h: h.rpc("kvs.ping", {{}}).get()
"""
    wanted = ("FLUX_HANDLE_TRACE=1", "FLUX_HANDLE_USERID=9999", "FLUX_HANDLE_ROLEMASK=0x2")
    traced = instance.run("env", "env", *wanted, sys.executable, "-c", program)
    assert traced.returncode == 0, traced.stderr
    shown = traced.stderr.partition("> kvs.ping\n")[2].splitlines()
    sent = "> flags=topic,payload,route userid=unknown rolemask=none nodeid=any matchtag="
    assert shown[0].startswith(sent)
    assert shown[1] == "> {}"
    assert shown[4] == "< kvs.ping"
    assert shown[5].startswith("< flags=topic,payload,route userid=")


def test_messages_tell_who_sent_them(instance: Instance, h: flux.Flux) -> None:
    h.service_register("teller").get()
    with flux.Flux(instance.uri) as client:
        rpc = client.rpc("teller.x", {"a": 1}, flags=FLUX_RPC_STREAMING)
        request = h.recv(topic_glob="teller.x", timeout=60)
        assert request.userid != FLUX_USERID_UNKNOWN
        assert (request.is_owner, request.streaming, request.noresponse) == (True, True, False)
        assert request.sender is not None
        assert repr(request) == (
            f"<Message request teller.x nodeid=any matchtag={rpc.matchtag} "
            f"userid={request.userid} rolemask={request.rolemask:#x} sender={request.sender} "
            "payload='{\"a\":1}'>"
        )
        h.respond_error(request, errno.EBUSY, "not now")
        rpc.wait_for(20)
        assert repr(rpc) == "<RPC teller.x: EBUSY not now>"
    assert repr(h) == f"<Flux {instance.uri}>"
    h.close()
    assert repr(h) == f"<Flux {instance.uri} closed>"


def test_messages_are_encoded_compared_and_shown() -> None:
    message = Message.from_event_encode("a.b", {"x": 1})
    again = Message.decode(message.encode())
    assert (again.topic, again.payload, again.type) == ("a.b", {"x": 1}, FLUX_MSGTYPE_EVENT)
    assert again.matches(FLUX_MSGTYPE_EVENT, topic_glob="a.*")
    assert not again.matches(FLUX_MSGTYPE_REQUEST)
    assert not again.matches(topic_glob="b.*")
    assert not again.matches(match_tag=5)
    assert repr(again) == "<Message event a.b seq=0 payload='{\"x\":1}'>"
    assert len(repr(Message.from_event_encode("a", "y" * 10000))) < 300
    with pytest.raises(OSError, match="not a message") as caught:
        Message.decode(b"nonsense")
    assert caught.value.errno == errno.EPROTO


def test_what_is_not_for_programs_is_not_offered(h: flux.Flux) -> None:
    offered = {name for name in dir(h) if not name.startswith("_")}
    assert {"rpc", "recv", "event_publish", "attr_set", "reactor_run", "fileno"} <= offered
    assert offered & INTERNAL == set()
    assert [name for name in INTERNAL if not hasattr(h, name)] == []


# Polls


def test_a_handle_stands_in_a_select(instance: Instance, h: flux.Flux) -> None:
    assert h.pollevents() == FLUX_POLLOUT
    h.event_subscribe("poll.")
    with flux.Flux(instance.uri) as other:
        other.event_send("poll.one")
    assert select.select([h], [], [], 20)[0] == [h]
    assert h.pollevents() == FLUX_POLLIN | FLUX_POLLOUT
    assert h.recv(flags=FLUX_O_NONBLOCK) is not None
    assert h.pollevents() == FLUX_POLLOUT


def test_a_lost_handle_is_in_error(instance: Instance) -> None:
    h = flux.Flux(instance.uri)
    with socket.socket(fileno=h.fileno()) as sock:
        sock.shutdown(socket.SHUT_RDWR)
        sock.detach()
    assert h.pollevents() & FLUX_POLLERR
    h.close()
    assert h.fileno() == -1


def test_a_handle_watcher_calls_as_long_as_messages_wait(instance: Instance, h: flux.Flux) -> None:
    h.event_subscribe("waits.")
    with flux.Flux(instance.uri) as other:
        for number in range(3):
            other.event_publish(f"waits.{number}").get_seq()
    seen: list[str | None] = []

    def ready(handle: flux.Flux, watcher: Any, revents: int, _args: object) -> None:
        assert revents == FLUX_POLLIN
        seen.append(handle.event_recv().topic)
        if len(seen) == 3:
            watcher.stop()

    h.handle_watcher_create(FLUX_POLLIN, ready).start()
    h.reactor_run()
    assert seen == ["waits.0", "waits.1", "waits.2"]


def test_a_callback_may_read_what_the_reactor_was_woken_for(h: flux.Flux) -> None:
    reading, writing = os.pipe()
    answers: list[int] = []

    def readable(*_: object) -> None:
        answers.append(pending.get()["n"])
        watcher.stop()

    try:
        os.write(writing, b"x")
        watcher = h.fd_watcher_create(reading, readable)
        watcher.start()  # before the answer comes, so that it is seen first
        pending = h.rpc("kvs.ping", {"n": 7})
        assert select.select([h], [], [], 20)[0]
        assert h.reactor_run() == 0
    finally:
        os.close(reading)
        os.close(writing)
    assert answers == [7]


def test_handles_share_a_reactor(instance: Instance) -> None:
    reactor = Reactor()
    with flux.Flux(instance.uri) as one, flux.Flux(instance.uri) as two:
        seen: list[int] = []
        for number, handle in enumerate((one, two)):
            handle.set_reactor(reactor)
            handle.rpc("kvs.ping", {"n": number}).then(lambda rpc: seen.append(rpc.get()["n"]))
        assert one.reactor_run() == 0
        assert sorted(seen) == [0, 1]
    with flux.Flux(instance.uri) as third:
        third.set_reactor(reactor)
        third.rpc("kvs.ping", {"n": 2}).then(lambda rpc: seen.append(rpc.get()["n"]))
        third.reactor_run()
    assert seen[-1] == 2
    reactor.close()


# Events


def test_every_watcher_gets_an_event(h: flux.Flux) -> None:
    seen: list[tuple[str, str]] = []

    def each(_handle: flux.Flux, watcher: Any, message: Message, name: str) -> None:
        seen.append((name, str(message.topic)))
        watcher.stop()

    h.event_subscribe("both.")
    for name in ("one", "two"):
        h.msg_watcher_create(each, FLUX_MSGTYPE_EVENT, "both.*", name).start()
    h.event_send("both.x")
    h.reactor_run()
    assert sorted(seen) == [("one", "both.x"), ("two", "both.x")]


def test_published_events_have_a_sequence_number_and_may_be_private(h: flux.Flux) -> None:
    h.event_subscribe("published.")
    numbers = [h.event_publish("published.a", {"n": n}).get_seq() for n in range(3)]
    events = [h.event_recv(timeout=60) for _ in range(3)]
    assert [event.seq for event in events] == numbers
    assert [event.payload["n"] for event in events] == [0, 1, 2]
    assert [event.private for event in events] == [False] * 3
    h.event_publish("published.b", private=True).get_seq()
    h.event_send("published.c", private=True)
    assert [h.event_recv(timeout=60).private for _ in range(2)] == [True, True]


def test_heartbeats_fulfill_a_future(instance: Instance, h: flux.Flux) -> None:
    with flux.Flux(instance.uri) as other, h.sync_create() as sync, h.sync_create(3600) as rare:
        for n in range(3):
            other.event_publish("heartbeat.pulse", {"n": n}).get_seq()
            sync.wait_for(20)
            sync.reset()
            if n == 0:
                rare.wait_for(20)
                rare.reset()
        with pytest.raises(TimeoutError):
            rare.wait_for(0.01)
        seen: list[bool] = []
        sync.then(lambda one: seen.append(one.has_error()), timeout=60)
        other.event_publish("heartbeat.pulse").get_seq()
        h.reactor_run()
        assert seen == [False]
    with pytest.raises(OSError, match="not negative"):
        h.sync_create(-1)


# Futures in asyncio programs


async def test_futures_of_the_blocking_handle_are_awaited(h: flux.Flux) -> None:
    assert (await h.rpc("kvs.ping", {"n": 1}, nodeid=1))["n"] == 1
    answers = await asyncio.gather(*(as_coroutine(h, n) for n in range(50)))
    assert answers == list(range(50))
    with pytest.raises(OSError) as caught:
        await h.rpc("nosuch.x")
    assert caught.value.errno == errno.ENOSYS
    together = all_of(h.rpc("kvs.ping", {"n": 1}), last=h.rpc("kvs.ping", {"n": 2}, nodeid=1))
    await together
    assert together.get_child("last").get()["n"] == 2
    held = h.barrier("never", 99)
    assert await any_of(held, h.rpc("kvs.ping")) is None
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(as_coroutine_of(held), 0.01)
    chain = h.rpc("attr.get", {"name": "size"}).and_then(
        lambda rpc: h.rpc("kvs.ping", {"n": rpc.get()["value"]}, nodeid=1)
    )
    assert (await chain)["n"] == "2"


async def as_coroutine(h: flux.Flux, number: int) -> int:
    return int((await h.rpc("kvs.ping", {"n": number}, nodeid=number % 2))["n"])


async def as_coroutine_of(future: Future) -> object:
    return await future


async def test_callbacks_timers_and_programs_go_on_while_a_future_is_awaited(
    h: flux.Flux,
) -> None:
    seen: list[str] = []
    h.rpc("kvs.ping").then(lambda _: seen.append("callback"))
    own = Future(h)

    def tick(_handle: flux.Flux, watcher: Any, _revents: int, _args: object) -> None:
        if seen:
            watcher.stop()
            own.fulfill("by timer")

    h.timer_watcher_create(0.01, tick, repeat=0.01).start()
    assert await own == "by timer"
    assert seen == ["callback"]
    mine = Future(h)
    asyncio.get_running_loop().call_later(0.01, mine.fulfill, "by the program")
    assert await mine == "by the program"


async def test_streams_of_the_blocking_handle_are_async_iterators(h: flux.Flux) -> None:
    events = flux.kvs.watch_async(h, "awaited", waitcreate=True)

    def change(url: str) -> None:
        with flux.Flux(url) as other:
            for number in range(3):
                flux.kvs.put(other, "awaited", number)
                flux.kvs.commit(other)

    thread = threading.Thread(target=change, args=(h.url,))
    thread.start()
    values = []
    async for _answer in events:
        values.append(events.get_value(autoreset=False))
        if values[-1] == 2:
            events.cancel()
    thread.join()
    assert values[-1] == 2
    assert values == sorted(set(values))


async def test_a_lost_connection_ends_what_is_awaited() -> None:
    with running_instance(1) as instance, flux.Flux(instance.uri) as h:
        own = Future(h)
        waiting = asyncio.ensure_future(as_coroutine_of(own))
        held = asyncio.ensure_future(as_coroutine_of(h.barrier("never", 2)))
        await asyncio.get_running_loop().run_in_executor(None, instance.stop)
        for task in (waiting, held):
            with pytest.raises(ConnectionResetError):
                await task


async def test_closing_a_handle_ends_what_is_awaited(instance: Instance) -> None:
    h = flux.Flux(instance.uri)
    waiting = [
        asyncio.ensure_future(as_coroutine_of(one)) for one in (h.barrier("x", 9), Future(h))
    ]
    await asyncio.sleep(0)
    h.close()
    for task in waiting:
        with pytest.raises(ConnectionResetError):
            await task


async def test_both_handles_have_the_same_names_for_the_same(instance: Instance) -> None:
    shared = [
        *("attr_get", "attr_set", "barrier", "close", "event_publish", "event_send"),
        *("event_subscribe", "get_rank", "get_size", "log", "respond", "respond_error", "rpc"),
        *("rpc_message", "send", "service_register", "service_unregister"),
    ]
    assert [name for name in shared if not hasattr(flux.Flux, name)] == []
    assert [name for name in shared if not hasattr(AsyncFlux, name)] == []
    async with await AsyncFlux.connect(instance.uri) as handle:
        assert repr(handle) == "<AsyncFlux rank 0 of 2>"
        assert (handle.get_rank(), handle.get_size()) == (0, 2)
        await handle.attr_set("both-handles", "1")
        assert await handle.attr_get("both-handles") == "1"
        await handle.attr_set("both-handles", None)
        with pytest.raises(FileNotFoundError):
            await handle.attr_get("both-handles")
        with pytest.raises(TimeoutError, match=r"barrier.enter: no response within 0\.01 s"):
            await handle.rpc(
                "barrier.enter",
                {"name": "z", "count": 1, "nprocs": 2, "internal": False},
                timeout=0.01,
            )
    assert repr(handle) == "<AsyncFlux rank 0 of 2 closed>"


def test_prepare_check_and_idle_watchers_are_called_in_each_turn(h: flux.Flux) -> None:
    seen: list[str] = []
    prepare = h.prepare_watcher_create(lambda *_: seen.append("prepare"))
    check = h.check_watcher_create(lambda *_: seen.append("check"))

    def idle(handle: flux.Flux, *_: object) -> None:
        seen.append("idle")
        if seen.count("idle") == 3:
            handle.reactor_stop()

    with prepare, check, h.idle_watcher_create(idle):
        h.reactor_run()
    assert seen[:3] == ["prepare", "check", "idle"]
    assert seen.count("idle") == 3
    assert h.reactor_run() == 0  # nothing keeps it any more


def test_a_watcher_may_let_the_reactor_end(h: flux.Flux) -> None:
    timer = h.timer_watcher_create(3600.0, lambda *_: None)
    timer.start()
    timer.unref()
    assert h.reactor_run() == 0
    timer.ref()
    assert h.reactor.run(nowait=True) == 1
    timer.stop()
    assert h.reactor_run() == 0


def test_a_timer_is_reset_to_what_it_was_made_with(h: flux.Flux) -> None:
    seen: list[float] = []
    timer = h.timer_watcher_create(0.001, lambda *_: seen.append(1.0), 0.0)
    timer.reset(3600.0)
    timer.reset()
    with timer:
        h.reactor_run()
    assert seen == [1.0]


def test_the_configuration_is_there_by_key(h: flux.Flux) -> None:
    assert h.conf_get() == {}
    assert h.conf_get("no.such", "default") == "default"
    h.attr_set("test.gone", "1")
    h.attr_remove("test.gone")
    with pytest.raises(FileNotFoundError):
        h.attr_get("test.gone")
    with pytest.raises(FileNotFoundError):
        h.attr_remove("test.gone")


def test_requests_of_other_roles_are_refused(instance: Instance, h: flux.Flux) -> None:
    h.service_register("mine").get()
    watcher = h.msg_watcher_create(
        lambda handle, _watcher, msg, _args: handle.respond(msg, {"ok": 1}),
        FLUX_MSGTYPE_REQUEST,
        "mine.*",
        rolemask=0,
    )
    answers: list[object] = []

    def take(future: Future) -> None:
        try:
            answers.append(future.get())
        except OSError as exc:
            answers.append(exc.errno)
        h.reactor_stop()

    with pytest.MonkeyPatch.context() as patch, watcher:
        h.rpc("mine.x").then(take)
        h.reactor_run()
        patch.setenv("FLUX_HANDLE_ROLEMASK", "0x2")
        with flux.Flux(instance.uri) as guest:
            rpc = guest.rpc("mine.x")
            # A turn of the reactor ends though nothing has come: the answer may be under way.
            with h.timer_watcher_create(0.0, lambda *_: None, repeat=0.01):
                while not rpc.is_ready():
                    h.reactor.run(once=True)
            with pytest.raises(PermissionError):
                rpc.get()
    assert answers == [{"ok": 1}]


def test_callbacks_of_today_are_told_what_a_descriptor_is_ready_for(h: flux.Flux) -> None:
    seen: list[tuple[object, ...]] = []

    def today(handle: flux.Flux, watcher: FDWatcher, fd: int, revents: int, args: object) -> None:
        seen.append((handle is h, fd == reading, revents, args))
        watcher.stop()

    def before(handle: flux.Flux, watcher: FDWatcher, fd: int, args: object) -> None:
        seen.append((handle is h, fd == reading, args))
        watcher.stop()

    reading, writing = os.pipe()
    try:
        os.write(writing, b"x")
        for callback in (today, before):
            h.fd_watcher_create(reading, callback, args="mine").start()
            assert h.reactor_run() == 0
    finally:
        os.close(reading)
        os.close(writing)
    assert seen == [(True, True, FLUX_POLLIN, "mine"), (True, True, "mine")]


def test_the_reactor_ends_when_a_prepare_callback_stops_the_last_watcher(h: flux.Flux) -> None:
    timer = h.timer_watcher_create(3600.0, lambda *_: None)

    def stop(*_: object) -> None:
        timer.stop()
        prepare.stop()

    prepare = h.prepare_watcher_create(stop)
    timer.start()
    prepare.start()
    assert h.reactor_run() == 0
    with pytest.raises(OSError, match="must not be negative"):
        h.timer_watcher_create(-1, stop)


def test_what_json_cannot_say_is_a_wrong_type(h: flux.Flux) -> None:
    with pytest.raises(TypeError) as refused:
        h.rpc("broker.ping", {"x": object()})
    assert isinstance(refused.value, OSError)
    assert refused.value.errno == errno.EINVAL
