"""What plugins can do that takes time, and that it ends with them (flux_jobtap_get_flux(3))."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Any

import pytest

from flux.wire.message import STREAMING

from .cluster import Cluster, jobspec
from .plugged import load, logged, plugin_of, remove

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator, Callable

    from broker.jobtap.future import PluginFuture
    from broker.jobtap.handle import PluginHandle

EMPTY = "def flux_plugin_init(plugin): pass\n"


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    cluster = Cluster()
    await cluster.start()
    yield cluster
    await cluster.stop()


@pytest.fixture
async def handle(cluster: Cluster, tmp_path: pathlib.Path) -> PluginHandle:
    return (await load(cluster, tmp_path, EMPTY)).get_flux()


async def test_an_answer_is_given_to_a_callback(cluster: Cluster, handle: PluginHandle) -> None:
    cluster.manager.rpcs["bank.balance"] = lambda payload: {"balance": 7, **payload}
    got: list[tuple[Any, ...]] = []
    future = handle.rpc("bank.balance", {"user": 5}, nodeid=0)
    assert future.then(lambda *args, **more: got.append((args, more)), "a", key="b") is future
    with pytest.raises(OSError, match=r"bank.balance is not answered yet") as early:
        future.get()
    assert early.value.errno == errno.EAGAIN
    assert not future.is_ready()
    await cluster.manager.until(lambda: bool(got))
    assert got == [((future, "a"), {"key": "b"})]
    assert future.get() == {"balance": 7, "user": 5}
    assert cluster.manager.sent[-1].nodeid == 0
    future.then(lambda f: got.append(f))
    assert len(got) == 1, "never at once"
    await cluster.manager.until(lambda: len(got) == 2)


async def test_an_answer_is_awaited(cluster: Cluster, handle: PluginHandle) -> None:
    cluster.manager.rpcs["bank.balance"] = lambda _: {"balance": 7}
    got: list[object] = []

    async def ask() -> None:
        got.append(await handle.rpc("bank.balance"))
        got.append(await asyncio.gather(*(handle.rpc("bank.balance") for _ in range(3))))

    await handle.spawn(ask())
    assert got == [{"balance": 7}, [{"balance": 7}] * 3]


async def test_errors_of_an_rpc(cluster: Cluster, handle: PluginHandle) -> None:
    def closed(_: object) -> None:
        raise OSError(errno.EBUSY, "closed today")

    cluster.manager.rpcs["bank.balance"] = closed
    cluster.manager.rpcs["bank.slow"] = lambda _: cluster.manager.OPEN
    cluster.manager.rpcs["bank.list"] = lambda _: [1]
    for topic, errnum, text in (
        ("bank.balance", errno.EBUSY, "closed today"),
        ("bank.nosuch", errno.ENOSYS, "."),
        ("bank.list", errno.EPROTO, "bank.list: the response is not a JSON object"),
    ):
        with pytest.raises(OSError, match=text) as failure:
            await handle.rpc(topic)
        assert failure.value.errno == errnum
    late: list[PluginFuture] = []
    handle.rpc("bank.slow", timeout=0.01).then(late.append)
    await cluster.manager.until(lambda: bool(late))
    with pytest.raises(OSError, match=r"bank.slow: no response within 0.01 s") as failure:
        late[0].get()
    assert failure.value.errno == errno.ETIMEDOUT
    message = next(m for m in cluster.manager.sent if m.topic == "bank.slow")
    cluster.manager.answer(message, {"too": "late"})
    assert len(late) == 1


async def test_an_rpc_that_nobody_waits_for_any_more(
    cluster: Cluster, handle: PluginHandle
) -> None:
    cluster.manager.rpcs["bank.slow"] = lambda _: cluster.manager.OPEN
    got: list[object] = []
    future = handle.rpc("bank.slow").then(got.append)

    async def ask() -> None:
        await handle.rpc("bank.slow")

    task = handle.spawn(ask())
    await cluster.manager.until(
        lambda: len([m for m in cluster.manager.sent if m.topic == "bank.slow"]) == 2
    )
    task.cancel()
    future.cancel()
    await asyncio.wait([task])
    for message in [m for m in cluster.manager.sent if m.topic == "bank.slow"]:
        cluster.manager.answer(message, {})
    with pytest.raises(OSError, match="nobody waits") as failure:
        await future
    assert failure.value.errno == errno.ECANCELED
    assert got == []
    assert handle.counts()["rpcs"] == 0


async def test_timers(cluster: Cluster, handle: PluginHandle) -> None:
    calls: list[object] = []
    once = handle.call_later(0, calls.append, "once")
    at = handle.call_at(handle.now() + 0.01, calls.append, "at")
    never = handle.call_later(0, calls.append, "never")
    never.cancel()
    every = handle.call_every(0.005, calls.append, "every")
    await cluster.manager.until(lambda: calls.count("every") >= 3 and "at" in calls)
    every.cancel()
    count = len(calls)
    assert (once.is_active, at.is_active, never.is_active, every.is_active) == (False,) * 4
    await asyncio.sleep(0)
    assert sorted(map(str, set(calls))) == ["at", "every", "once"]
    assert len(calls) == count
    far = handle.call_at(handle.now() + 1e9, calls.append, "far")
    assert far.is_active


async def test_a_timer_that_cancels_itself(cluster: Cluster, handle: PluginHandle) -> None:
    calls: list[int] = []

    def call() -> None:
        calls.append(1)
        every.cancel()

    every = handle.call_every(0.001, call)
    last = handle.call_later(0.01, calls.append, 2)
    await cluster.manager.until(lambda: not last.is_active)
    assert calls == [1, 2]


async def test_events(cluster: Cluster, handle: PluginHandle) -> None:
    got: list[tuple[str, object]] = []
    subscription = handle.event_subscribe("weather", lambda *event: got.append(event))
    handle.event_subscribe("weather.rain", lambda *event: got.append(("again", event)))
    await asyncio.sleep(0)
    cluster.manager.publish("weather.rain", {"mm": 3})
    cluster.manager.publish("news", {})
    cluster.manager.publish("weather.sun", None)
    assert got == [
        ("weather.rain", {"mm": 3}),
        ("again", ("weather.rain", {"mm": 3})),
        ("weather.sun", {}),
    ]
    subscription.cancel()
    handle.event_subscribe("weather", lambda *event: got.append(event)).cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    cluster.manager.publish("weather.sun", {})
    assert len(got) == 3
    handle.event_send("mine.done", {"n": 1})
    assert [(m.topic, m.json()) for m in cluster.manager.events][-1:] == [("mine.done", {"n": 1})]


async def test_log_lines_bear_the_plugins_name(cluster: Cluster, handle: PluginHandle) -> None:
    for level in range(8):
        handle.log(level, f"line {level}")
    lines = [(e.severity, e.name, e.text) for e in cluster.manager.logs if "line" in e.text]
    assert lines == [(level, "job-manager", f"mine.py: line {level}") for level in range(8)]
    wrong: Any
    for wrong in (-1, 8, "err", True, 2.0):
        with pytest.raises(OSError, match="a log level is 0 to 7"):
            handle.log(wrong, "no")


async def test_facts_of_the_broker(cluster: Cluster, handle: PluginHandle) -> None:
    cluster.manager.ctx.attrs.define("site.name", "here")
    assert handle.attr_get("site.name") == "here"
    assert handle.attr_get("nosuch") is None
    assert (handle.get_rank(), handle.get_size()) == (0, 1)
    assert repr(handle) == "<PluginHandle of mine.py>"


async def test_a_stream(cluster: Cluster, handle: PluginHandle) -> None:
    cluster.manager.rpcs["ticker.watch"] = lambda _: [{"n": 1}, {"n": 2}]
    cluster.manager.rpcs["ticker.ever"] = lambda _: cluster.manager.OPEN
    got: list[object] = []

    async def follow(topic: str) -> None:
        async with handle.stream(topic) as answers:
            got.extend([answer async for answer in answers])

    await handle.spawn(follow("ticker.watch"))
    assert got == [{"n": 1}, {"n": 2}]
    handle.spawn(follow("ticker.ever"))
    await cluster.manager.until(lambda: cluster.manager.sent[-1].topic == "ticker.ever")
    await remove(cluster)
    await cluster.manager.until(
        lambda: any(m.topic == "ticker.ever-cancel" for m in cluster.manager.sent)
    )


CALLBACKS = """
def flux_plugin_init(plugin):
    flux = plugin.get_flux()
    flux.call_later(0, broken, "timer once")
    every = flux.call_every(0.001, lambda: (every.cancel(), broken("timer every")))
    flux.rpc("bank.balance").then(lambda future: broken("answer"))
    flux.event_subscribe("weather", lambda topic, payload: broken("event"))
    flux.spawn(task())
    flux.call_later(0, task)
    flux.call_later(0, leave)
    flux.spawn(go())
    plugin.service_register("exit", lambda request: leave())
    plugin.service_register("plain", lambda request: broken("service"))
    plugin.service_register("slow", service)


def broken(what):
    raise RuntimeError(f"broken {what}")


def leave():
    raise SystemExit(3)


async def task():
    raise RuntimeError("broken task")


async def go():
    leave()


async def service(request):
    raise KeyError("broken service")
"""


async def test_what_callbacks_raise_is_logged_and_harms_nobody(
    cluster: Cluster, tmp_path: pathlib.Path
) -> None:
    cluster.manager.rpcs["bank.balance"] = lambda _: {"balance": 7}
    await load(cluster, tmp_path, CALLBACKS)
    for name in ("plain", "slow", "exit"):
        with pytest.raises(OSError, match="the broker's log says why"):
            await cluster.manager.request(f"job-manager.mine.{name}")
    cluster.manager.publish("weather", {})
    await cluster.manager.until(lambda: len(logged(cluster)) >= 11)
    place = f"({tmp_path}/mine.py:"
    for text in (
        "jobtap: mine.py: timer: RuntimeError: broken timer once " + place,
        "jobtap: mine.py: timer: RuntimeError: broken timer every " + place,
        "jobtap: mine.py: answer of bank.balance: RuntimeError: broken answer " + place,
        "jobtap: mine.py: event weather: RuntimeError: broken event " + place,
        "jobtap: mine.py: task: RuntimeError: broken task " + place,
        "jobtap: mine.py: timer: RuntimeError: broken task " + place,
        "jobtap: mine.py: timer: SystemExit: 3 " + place,
        "jobtap: mine.py: job-manager.mine.slow: KeyError: 'broken service' " + place,
        "jobtap: mine.py: job-manager.mine.plain: RuntimeError: broken service " + place,
        "jobtap: mine.py: job-manager.mine.exit: SystemExit: 3 " + place,
        "jobtap: mine.py: go: RuntimeError: SystemExit: 3",
    ):
        assert any(line.startswith(text) for line in logged(cluster)), text
    id = await cluster.submit()
    await cluster.until_event(id, "clean")


ENDLESS = """
import asyncio

calls = []


def flux_plugin_init(plugin):
    flux = plugin.get_flux()
    plugin.calls = calls
    flux.call_later(0.02, calls.append, "later")
    flux.call_at(flux.now() + 0.02, calls.append, "at")
    flux.call_every(0.02, calls.append, "every")
    flux.rpc("bank.slow").then(calls.append)
    flux.event_subscribe("weather", lambda *event: calls.append(event))
    flux.spawn(stubborn())
    plugin.task = flux.spawn(asyncio.Event().wait())
    plugin.service_register("hello", lambda request: {"text": "hello"})
    plugin.service_register("wait", wait)
    plugin.add_handler("*", lambda plugin, topic, args: calls.append(topic))


async def wait(request):
    await asyncio.Event().wait()


async def stubborn():
    try:
        await asyncio.Event().wait()
    finally:
        calls.append("cancelled")
"""


async def test_everything_ends_with_the_plugin(cluster: Cluster, tmp_path: pathlib.Path) -> None:
    cluster.manager.rpcs["bank.slow"] = lambda _: cluster.manager.OPEN
    plugin: Any = await load(cluster, tmp_path, ENDLESS)
    handle = plugin.get_flux()
    assert await cluster.manager.request("job-manager.mine.hello") == {"text": "hello"}
    waiting = cluster.manager.submit("job-manager.mine.wait")
    job = await cluster.submit(urgency=0)
    plugin.job_subscribe(job)
    await asyncio.sleep(0)
    await remove(cluster)
    await cluster.manager.until(lambda: bool(cluster.manager.replies(waiting)))
    assert cluster.manager.replies(waiting)[0].errnum == errno.ENOSYS
    with pytest.raises(OSError, match=r".") as failure:
        await cluster.manager.request("job-manager.mine.hello")
    assert failure.value.errno == errno.ENOSYS
    await asyncio.wait([plugin.task])
    assert plugin.task.cancelled()
    await cluster.manager.until(lambda: "cancelled" in plugin.calls)
    before = list(plugin.calls)
    cluster.manager.publish("weather", {})
    slow = next(m for m in cluster.manager.sent if m.topic == "bank.slow")
    cluster.manager.answer(slow, {"late": True})
    await cluster.manager.request("job-manager.urgency", {"id": job, "urgency": 16})
    await cluster.until_event(job, "clean")
    waited = asyncio.Event()
    asyncio.get_running_loop().call_later(0.03, waited.set)
    await waited.wait()
    assert plugin.calls == before
    assert handle.closed
    assert set(handle.counts().values()) == {0}
    removed = "the plugin mine.py was removed"
    calls: tuple[Callable[[], object], ...] = (
        lambda: handle.rpc("bank.slow"),
        lambda: handle.stream("bank.slow"),
        lambda: handle.call_later(0, print),
        lambda: handle.call_every(1, print),
        lambda: handle.event_subscribe("x", print),
        lambda: handle.event_send("x"),
        lambda: handle.spawn(asyncio.sleep(0)),
        lambda: plugin.service_register("again", print),
        lambda: plugin.add_handler("job.new", print),
        lambda: plugin.raise_exception(job, "x", 0),
        plugin.reprioritize_all,
        plugin.jobs,
    )
    for call in calls:
        with pytest.raises(OSError, match=removed):
            call()


LATER = """
from broker.service import NO_REPLY

open = []


def flux_plugin_init(plugin):
    plugin.open = open
    plugin.service_register("later", lambda request: open.append(request) or NO_REPLY)
"""


async def test_requests_that_are_answered_later_or_never(
    cluster: Cluster, tmp_path: pathlib.Path
) -> None:
    plugin: Any = await load(cluster, tmp_path, LATER)
    tags = [cluster.manager.submit("job-manager.mine.later", {"n": n}) for n in range(3)]
    tags.append(cluster.manager.submit("job-manager.mine.later", flags=STREAMING))
    assert plugin.get_flux().counts()["requests"] == 4
    plugin.open[0].respond({"well": True})
    plugin.open[1].error(errno.EBUSY)
    plugin.open[3].respond({"one": 1})
    assert plugin.get_flux().counts()["requests"] == 2
    await remove(cluster)
    answers = [[m.errnum for m in cluster.manager.replies(tag)] for tag in tags]
    assert answers == [[0], [errno.EBUSY], [errno.ENOSYS], [0, errno.ENOSYS]]


async def test_a_plugin_that_is_loaded_again_serves_again(
    cluster: Cluster, tmp_path: pathlib.Path
) -> None:
    text = "def flux_plugin_init(p): p.service_register('v', lambda r: {{'v': {}}})\n"
    for version in range(3):
        await load(cluster, tmp_path, text.format(version))
        assert await cluster.manager.request("job-manager.mine.v") == {"v": version}
        await remove(cluster)


async def test_the_services_of_others_are_not_taken(
    cluster: Cluster, tmp_path: pathlib.Path
) -> None:
    plugin = await load(cluster, tmp_path, EMPTY)
    plugin.service_register("v", lambda _: {})
    with pytest.raises(OSError, match=r"job-manager.mine.v exists") as failure:
        plugin.service_register("v", lambda _: {})
    assert failure.value.errno == errno.EEXIST
    plugin.set_name("stats")
    with pytest.raises(OSError, match=r"job-manager.stats.get exists"):
        plugin.service_register("get", lambda _: {})
    for name in ("a.b", "", "a b", "x\n"):
        with pytest.raises(OSError, match="the name of a plugin"):
            plugin.set_name(name)
    nothing: Any = None
    with pytest.raises(OSError, match="cannot be called"):
        plugin.service_register("w", nothing)


async def test_a_plugin_whose_start_fails_leaves_nothing(
    cluster: Cluster, tmp_path: pathlib.Path
) -> None:
    cluster.manager.rpcs["bank.slow"] = lambda _: cluster.manager.OPEN
    with pytest.raises(OSError, match=r"mine.py: ZeroDivisionError: division by zero \(.*:7\)"):
        await load(
            cluster,
            tmp_path,
            """
            def flux_plugin_init(plugin):
                plugin.get_flux().rpc("bank.slow")
                plugin.get_flux().call_every(1, print)
                plugin.service_register("v", lambda request: {})
                plugin.add_handler("job.validate", lambda *args: -1)
                1 / 0
            """,
        )
    with pytest.raises(OSError, match=r".") as failure:
        await cluster.manager.request("job-manager.mine.v")
    assert failure.value.errno == errno.ENOSYS
    await cluster.submit()
    slow = next(m for m in cluster.manager.sent if m.topic == "bank.slow")
    cluster.manager.answer(slow, {})
    assert logged(cluster) == []


PRIORITY = """
def flux_plugin_init(plugin):
    plugin.add_handler("job.state.priority", ask)
    plugin.add_handler("job.priority.get", lambda p, topic, args: p.priority_unavail(args))


def ask(plugin, topic, args):
    id = args["id"]
    future = plugin.get_flux().rpc("bank.priority", {"id": id})
    future.then(lambda f: plugin.reprioritize_job(id, f.get()["priority"]))
    plugin.priority_unavail(args)
"""
DEPEND = """
def flux_plugin_init(plugin):
    plugin.add_handler("job.state.depend", ask)


def ask(plugin, topic, args):
    plugin.dependency_add(args["id"], "licence")
    plugin.get_flux().spawn(licence(plugin, args["id"]))


async def licence(plugin, id):
    answer = await plugin.get_flux().rpc("bank.priority", {"id": id})
    if answer["priority"]:
        plugin.dependency_remove(id, "licence")
    else:
        plugin.raise_exception(id, "licence", 0, "there is none")
"""


@pytest.mark.parametrize(("text", "state"), [(PRIORITY, 4), (DEPEND, 2)])
async def test_a_job_waits_for_the_answer_of_a_service(
    cluster: Cluster, tmp_path: pathlib.Path, text: str, state: int
) -> None:
    cluster.manager.rpcs["bank.priority"] = lambda _: cluster.manager.OPEN
    await load(cluster, tmp_path, text)
    id = await cluster.submit()
    await cluster.manager.until(
        lambda: any(m.topic == "bank.priority" for m in cluster.manager.sent)
    )
    job = cluster.manager.service.core.machine.jobs[id]
    assert job.state == state
    other = next(m for m in cluster.manager.sent if m.topic == "bank.priority")
    cluster.manager.answer(other, {"priority": 77})
    await cluster.until_event(id, "clean")
    events = cluster.eventlog(id)
    if state == 4:
        assert [e["context"] for e in events if e["name"] == "priority"] == [{"priority": 77}]
    else:
        assert cluster.names(id)[:4] == ["submit", "dependency-add", "dependency-remove", "depend"]
    assert logged(cluster) == []


async def test_a_job_that_is_over_when_the_answer_comes(
    cluster: Cluster, tmp_path: pathlib.Path
) -> None:
    cluster.manager.rpcs["bank.priority"] = lambda _: cluster.manager.OPEN
    await load(cluster, tmp_path, DEPEND)
    id = await cluster.submit(jobspec())
    await cluster.manager.request("job-manager.raise", {"id": id, "type": "cancel", "severity": 0})
    await cluster.until_event(id, "clean")
    other = next(m for m in cluster.manager.sent if m.topic == "bank.priority")
    cluster.manager.answer(other, {"priority": 1})
    await cluster.manager.until(lambda: bool(logged(cluster)))
    assert "jobtap: mine.py: licence: FileNotFoundError" in logged(cluster)[0]
    assert plugin_of(cluster).get_flux().closed is False


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda h: h.call_later("1", print), "a time is a number of seconds"),
        (lambda h: h.call_later(float("nan"), print), "a time is a number of seconds"),
        (lambda h: h.call_at(float("inf"), print), "a time is a number of seconds"),
        (lambda h: h.call_every(0, print), "longer than 0 s"),
        (lambda h: h.call_later(1, None), "None cannot be called"),
        (lambda h: h.spawn(print), "spawn takes a coroutine"),
        (lambda h: h.event_subscribe("x", 3), "3 cannot be called"),
        (lambda h: h.rpc("bank.balance").then(None), "None cannot be called"),
        (lambda h: h.rpc("bank.balance", timeout="1"), "a time is a number of seconds"),
        (lambda h: h.rpc(None), "the topic must not be None"),
    ],
)
async def test_wrong_arguments(handle: PluginHandle, call: Any, text: str) -> None:
    with pytest.raises(OSError, match=text) as failure:
        call(handle)
    assert failure.value.errno == errno.EINVAL
    assert handle.counts()["timers"] == 0


async def test_a_payload_that_cannot_be_sent_leaves_nothing(handle: PluginHandle) -> None:
    with pytest.raises(OSError, match="the payload cannot be written as JSON"):
        handle.rpc("bank.balance", {"x": print}, timeout=5)
    assert set(handle.counts().values()) == {0}
