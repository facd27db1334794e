"""Futures without a broker: results and resets, futures of programs, chains, several together."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Any, cast

import pytest

from flux.constants import FLUX_RPC_STREAMING
from flux.core.reactor import Reactor
from flux.future import Future, FutureExt, WaitAllFuture, WaitAnyFuture, all_of, any_of
from flux.job.event import JobEventWatchFuture, event_watch_async
from flux.rpc import RPC
from flux.testing.scripted import ScriptedFlux
from flux.wire.message import RESPONSE, Message
from tests.unit.flux.job.streaming import StreamingFlux, life

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flux.core.handle import Flux


@pytest.fixture
def h() -> Iterator[ScriptedFlux]:
    handle = ScriptedFlux({"double": lambda body: {"n": 2 * body["n"]}})
    yield handle
    handle.close()


@pytest.fixture
def stream() -> Iterator[StreamingFlux]:
    handle = StreamingFlux({1: life()})
    yield handle
    handle.close()


NAMES = ["submit", "depend", "priority", "alloc", "start", "finish", "release", "free", "clean"]


def answer(number: int) -> Message:
    return Message(RESPONSE, payload=b"%d\0" % number)


def watch(handle: StreamingFlux) -> JobEventWatchFuture:
    return event_watch_async(cast("Flux", handle), 1)


# Resets


def test_a_callback_that_resets_what_get_event_has_reset_loses_nothing(
    stream: StreamingFlux,
) -> None:
    names: list[str] = []

    def each(future: Any) -> None:
        event = future.get_event()
        if event is None:
            stream.reactor_stop()
            return
        names.append(event.name)
        future.reset()

    watch(stream).then(each)
    assert stream.reactor_run() == 0
    assert names == NAMES


@pytest.mark.parametrize(
    ("autoreset", "resets"), [(True, 0), (True, 1), (True, 2), (False, 1), (False, 2)]
)
def test_any_mixture_of_resets_gives_every_event_once(
    stream: StreamingFlux, autoreset: bool, resets: int
) -> None:
    future = watch(stream)
    names = []
    while (event := future.get_event(autoreset)) is not None:
        names.append(event.name)
        for _ in range(resets):
            future.reset()
    assert names == NAMES


def test_the_end_of_a_stream_is_told_again_and_again(stream: StreamingFlux) -> None:
    future = watch(stream)
    while future.get_event() is not None:
        pass
    future.reset()
    assert future.get_event() is None
    assert future.get_event() is None


def test_the_same_event_stays_without_a_reset(stream: StreamingFlux) -> None:
    future = watch(stream)
    first, again = future.get_event(autoreset=False), future.get_event(autoreset=False)
    assert first is not None
    assert first == again


def test_a_result_that_nobody_saw_survives_a_reset(h: ScriptedFlux) -> None:
    future = Future(h)
    future.fulfill(1)
    future.fulfill(2)
    future.reset()
    assert future.get() == 1
    future.reset()
    future.reset()
    assert future.get() == 2


def test_a_reset_keeps_the_one_answer_of_an_rpc(h: ScriptedFlux) -> None:
    rpc = h.rpc("double", {"n": 4})
    assert rpc.get() == {"n": 8}
    rpc.reset()
    assert rpc.get() == {"n": 8}


def test_streams_are_iterators(h: ScriptedFlux) -> None:
    rpc = RPC(h, "double", {"n": 1}, flags=FLUX_RPC_STREAMING)
    for number in (5, 6):
        rpc.fulfill(answer(number))
    rpc.fulfill_error(errno.ENODATA)
    assert list(rpc) == [{"n": 2}, 5, 6]
    failing = RPC(h, "double", {"n": 1}, flags=FLUX_RPC_STREAMING)
    failing.fulfill_error(errno.EIO, "gone")
    with pytest.raises(OSError, match="gone"):
        list(failing)
    assert list(h.rpc("double", {"n": 3})) == [{"n": 6}]


# Futures of programs


def test_a_program_gives_any_value() -> None:
    future = Future()
    assert repr(future) == "<Future: waiting>"
    for value in ({"a": 1}, None, b"raw", [1]):
        future.fulfill(value)
    for value in ({"a": 1}, None, b"raw", [1]):
        assert future.get() == value
        future.reset()
    text = Future()
    text.fulfill("abc")
    assert text.get_str() == "abc"
    with pytest.raises(OSError, match="a value, not a message") as caught:
        text.message()
    assert caught.value.errno == errno.EINVAL


def test_errors_and_values_come_in_their_order() -> None:
    future = Future()
    future.fulfill(1)
    future.fulfill_error(errno.EIO, "broken")
    future.fulfill(2)
    assert (future.get(), future.has_error()) == (1, False)
    future.reset()
    assert (future.has_error(), future.error_string()) == (True, "broken")
    assert repr(future) == "<Future: EIO broken>"
    with pytest.raises(OSError, match="broken"):
        future.get()
    future.reset()
    assert future.get() == 2


def test_a_fatal_error_is_the_last_word() -> None:
    future = Future()
    future.fulfill(1)
    future.fatal_error(errno.EIO, "fire")
    future.fatal_error(errno.EPERM, "more fire")
    future.fulfill(2)
    with pytest.raises(OSError, match=r"\bfire") as caught:
        future.get()
    assert caught.value.errno == errno.EIO


def test_a_future_is_fulfilled_with_another() -> None:
    source, target, third = Future(), Future(), Future()
    for other, number in ((target, errno.EINVAL), (source, errno.EAGAIN)):
        with pytest.raises(OSError) as caught:
            target.fulfill_with(other)
        assert caught.value.errno == number
    source.fulfill("x")
    third.fulfill("y")
    target.fulfill_with(source)
    assert target.get() == "x"
    with pytest.raises(OSError) as caught:
        target.fulfill_with(third)
    assert caught.value.errno == errno.EEXIST


def test_a_future_without_a_handle_cannot_be_waited_for() -> None:
    with pytest.raises(OSError, match="no handle") as caught:
        Future().get()
    assert caught.value.errno == errno.EDEADLK
    with pytest.raises(OSError, match="no handle"):
        Future().then(lambda _: None)


def later(seconds: float, value: object) -> Callable[[Future], None]:
    """Return an ``init`` function that fulfills a future after a while."""

    def init(future: Future) -> None:
        reactor = future.get_reactor()
        assert reactor is not None
        reactor.call_at(reactor.now() + seconds, lambda: future.fulfill(value))

    return init


def test_init_is_called_when_somebody_waits(h: ScriptedFlux) -> None:
    calls: list[Future] = []

    def init(future: Future) -> None:
        calls.append(future)
        later(0.01, "late")(future)

    future = Future(h, init)
    assert calls == []
    assert future.get() == "late"
    assert calls == [future]

    seen: list[object] = []
    second = Future(h, later(0.01, "by reactor"))
    second.then(lambda future: seen.append(future.get()))
    h.reactor.run()
    assert seen == ["by reactor"]


def test_a_future_with_a_reactor_of_its_own() -> None:
    reactor = Reactor()
    future = Future(init=later(0.01, 7))
    future.set_reactor(reactor)
    assert future.get() == 7
    idle = Future()
    idle.set_reactor(reactor)
    with pytest.raises(TimeoutError, match=r"no result within 0\.01 s"):
        idle.wait_for(0.01)
    reactor.close()


def test_a_timeout_begins_anew_with_each_reset(h: ScriptedFlux) -> None:
    future = Future(h)
    seen: list[int | None] = []

    def each(one: Future) -> None:
        try:
            one.get()
        except OSError as exc:
            seen.append(exc.errno)
        if len(seen) < 3:
            one.reset()

    future.then(each, timeout=0.01)
    h.reactor.run()
    assert seen == [errno.ETIMEDOUT] * 3


def test_a_result_in_time_stops_the_timeout(
    h: ScriptedFlux, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(h.reactor, "now", lambda: clock[0])
    future = Future(h)
    seen: list[object] = []
    future.then(lambda one: seen.append(one.get()), timeout=0.01)
    h.reactor.call_soon(lambda: future.fulfill("in time"))
    h.reactor.run()
    clock[0] = 1.0
    h.reactor.turn()
    assert seen == ["in time"]
    assert future.get() == "in time"


# Chains


def test_a_chain_goes_on_with_the_future_that_a_callback_returns(h: ScriptedFlux) -> None:
    def again(rpc: RPC) -> RPC:
        return h.rpc("double", rpc.get())

    chain = h.rpc("double", {"n": 1}).and_then(again).and_then(again)
    assert chain.get() == {"n": 8}

    seen: list[object] = []
    h.rpc("double", {"n": 1}).and_then(again).and_then(again).then(
        lambda end: seen.append(end.get())
    )
    h.reactor.run()
    assert seen == [{"n": 8}]


def test_errors_are_passed_on_past_and_then_and_successes_past_or_then(h: ScriptedFlux) -> None:
    called: list[str] = []

    def success(_rpc: RPC) -> None:
        called.append("success")

    def recover(rpc: RPC) -> Future:
        called.append(rpc.error_string() or "")
        return h.rpc("double", {"n": 21})

    failing = h.rpc("nosuch")
    chain = failing.and_then(success)
    assert failing.or_then(recover) is chain
    assert chain.get() == {"n": 42}
    assert called == ["Function not implemented"]
    with pytest.raises(OSError) as caught:
        h.rpc("nosuch").and_then(success).get()
    assert caught.value.errno == errno.ENOSYS
    assert h.rpc("double", {"n": 1}).or_then(recover).get() == {"n": 2}


def test_a_callback_says_itself_how_a_chain_goes_on(h: ScriptedFlux) -> None:
    rpc = h.rpc("double", {"n": 1})
    assert rpc.and_then(lambda one: one.fulfill_next("mine")).get() == "mine"
    failed = h.rpc("double", {"n": 1}).and_then(
        lambda one: one.continue_error(errno.EPERM, "I do not want to")
    )
    with pytest.raises(PermissionError, match="I do not want to"):
        failed.get()

    def refuse(_one: RPC) -> None:
        raise OSError(errno.EBUSY, "later")

    with pytest.raises(OSError, match="later"):
        h.rpc("double", {"n": 1}).and_then(refuse).get()
    went = h.rpc("double", {"n": 1}).and_then(
        lambda one: one.continue_with(Future(h, later(0.01, "x")))
    )
    assert went.get() == "x"
    held = h.rpc("double", {"n": 1})
    chain = held.and_then(lambda one: one.continue_with(None))
    assert not chain.is_ready()
    held.fulfill_next(5)
    assert chain.get() == 5
    with pytest.raises(OSError, match="no future follows"):
        h.rpc("double", {"n": 1}).fulfill_next(1)


# Several


def test_all_waits_for_all_and_tells_who_failed(h: ScriptedFlux) -> None:
    slow = Future(h)
    together = all_of(h.rpc("double", {"n": 1}), bad=h.rpc("nosuch"), slow=slow)
    assert not together.is_ready()
    slow.fulfill("done")
    assert together.is_ready()
    assert together.get() is None
    assert together.failures() == {"bad": "Function not implemented"}
    assert together.child_names() == ["0", "bad", "slow"]
    assert together.get_child("slow").get() == "done"
    with pytest.raises(OSError) as caught:
        together.get_child("nobody")
    assert caught.value.errno == errno.ENOENT
    with pytest.raises(OSError) as caught:
        together.push(Future(h), "slow")
    assert caught.value.errno == errno.EEXIST


def test_any_waits_for_the_first(h: ScriptedFlux) -> None:
    one, two = Future(h), Future(h)
    first = any_of(one=one, two=two)
    assert not first.is_ready()
    seen: list[list[str]] = []
    first.then(lambda any_: seen.append(any_.ready()))
    h.reactor.call_soon(lambda: two.fulfill(2))
    h.reactor.run()
    assert seen == [["two"]]


@pytest.mark.parametrize("kind", [WaitAllFuture, WaitAnyFuture])
def test_callbacks_of_children_stay(h: ScriptedFlux, kind: type[WaitAllFuture]) -> None:
    child, seen = Future(h), list[object]()
    child.then(lambda one: seen.append(one.get()))
    kind([child]).then(lambda _: seen.append("parent"))
    h.reactor.call_soon(lambda: child.fulfill("child"))
    h.reactor.run()
    assert sorted(map(str, seen)) == ["child", "parent"]


def test_a_hundred_thousand_children(h: ScriptedFlux) -> None:
    children = [Future(h) for _ in range(100_000)]
    together, seen = WaitAllFuture(children), list[int]()
    together.then(lambda _: seen.append(1))
    for child in children:
        child.fulfill()
    h.reactor.run()
    assert seen == [1]


def test_children_belong_to_one_handle(h: ScriptedFlux, stream: StreamingFlux) -> None:
    with pytest.raises(OSError, match="one handle"):
        all_of(Future(h), Future(stream))


# asyncio


async def test_what_is_there_need_not_be_awaited(h: ScriptedFlux) -> None:
    assert await h.rpc("double", {"n": 3}) == {"n": 6}
    with pytest.raises(OSError) as caught:
        await h.rpc("nosuch")
    assert caught.value.errno == errno.ENOSYS
    rpc = RPC(h, "double", {"n": 1}, flags=FLUX_RPC_STREAMING)
    rpc.fulfill(answer(5))
    rpc.fulfill_error(errno.ENODATA)
    assert [value async for value in rpc] == [{"n": 2}, 5]
    with pytest.raises(OSError, match="no handle"):
        await Future()
    await asyncio.sleep(0)


# Futures of a program's own that hold JSON


def test_what_a_program_begins_gives_the_result(h: ScriptedFlux) -> None:
    def init(future: FutureExt, factor: int, plus: int) -> None:
        handle = future.get_flux()
        assert handle is h
        rpc = h.rpc("double", {"n": factor})
        rpc.then(lambda done: future.fulfill((done.get()["n"] + plus,)))

    assert FutureExt(init, 3, flux_handle=h, plus=1).get() == [7], "as it comes out of JSON"
    found: list[object] = []
    FutureExt(init, 4, flux_handle=h, plus=0).then(lambda future: found.append(future.get()))
    h.reactor.run()
    assert found == [[8]]


def test_several_results_and_errors_of_a_program(h: ScriptedFlux) -> None:
    future = FutureExt(lambda future: (future.fulfill(), future.fulfill("x")), flux_handle=h)
    assert future.get() is None
    future.reset()
    assert future.get() == "x"
    failed = FutureExt(lambda future: future.fulfill_error(errno.ENOENT, "gone"), flux_handle=h)
    with pytest.raises(FileNotFoundError, match="gone"):
        failed.get()
    wrong = FutureExt(lambda future: future.fulfill(object()), flux_handle=h)
    with pytest.raises(TypeError):
        wrong.get()


def test_a_future_without_a_handle_is_fulfilled_at_once_or_never() -> None:
    assert FutureExt(lambda future: future.fulfill([1])).get() == [1]
    with pytest.raises(OSError, match="no handle") as caught:
        FutureExt(lambda future: None).get()
    assert caught.value.errno == errno.EDEADLK
    early = FutureExt(lambda future: pytest.fail("nobody had to ask"))
    assert not early.is_ready()
    early.fulfill(5)
    assert early.get() == 5
