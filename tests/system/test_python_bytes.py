"""Whatever takes text takes its bytes as well, as flux-core's bindings do: each pair of calls here
has the same outcome.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

import flux
from flux import content, job, kvs, kvs_rpc
from flux.aio import AsyncFlux
from flux.constants import FLUX_MSGTYPE_REQUEST, FLUX_MSGTYPE_RESPONSE, FLUX_RPC_STREAMING
from flux.hostlist import Hostlist
from flux.idset import IDset
from flux.job import JobID
from flux.job.list import JobList
from flux.message import Message
from flux.resource.ResourceSet import ResourceSet
from flux.rpc import RPC
from flux.testing.instance import Instance, running_instance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flux.wire.text import Text

Same = Callable[[str], "Text"]
"""What makes an argument of text: itself, or its bytes."""


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(1) as running, flux.Flux(running.uri) as h:
        kvs.put(h, "there", {"a": 1})
        kvs.put(h, "dir.sub", "text")
        kvs.put_symlink(h, "link", "there")
        kvs.commit(h)
        kvs.namespace_create(h, "space")
        kvs.put(h, "inside", 5, namespace="space")
        kvs.commit(h)
        yield running


@pytest.fixture
def h(instance: Instance) -> Iterator[flux.Flux]:
    with flux.Flux(instance.uri) as handle:
        yield handle


def _event(h: flux.Flux, as_: Same) -> tuple[str | None, object]:
    h.event_subscribe(as_("bytes."))
    h.event_send(as_("bytes.one"), as_('{"n":1}'))
    h.event_publish(as_("bytes.two"), as_('{"n":2}')).get_seq()
    h.send(h.event_create(as_("bytes.three"), as_('{"n":3}')))
    found = [h.event_recv(as_(f"bytes.{name}"), timeout=60) for name in ("one", "two", "three")]
    h.event_unsubscribe(as_("bytes."))
    return found[-1].topic, [event.payload for event in found]


def _message(h: flux.Flux, as_: Same) -> object:
    message = Message(FLUX_MSGTYPE_REQUEST)
    message.topic = as_("attr.get")
    message.payload_str = as_('{"name":"rank"}')
    h.send(message)
    answer = h.recv(FLUX_MSGTYPE_RESPONSE, topic_glob=as_("attr.*"), timeout=60)
    h.send(Message.from_request_encode(as_("attr.get"), as_('{"name":"size"}')))
    again = h.recv(FLUX_MSGTYPE_RESPONSE, timeout=60)
    return answer.payload, again.payload, answer.matches(topic_glob=as_("attr.get"))


def _service(h: flux.Flux, as_: Same) -> object:
    h.service_register(as_("bytes-service")).get()
    with flux.Flux(h.url) as client:
        rpc = client.rpc("bytes-service.x")
        request = h.recv(FLUX_MSGTYPE_REQUEST, topic_glob=as_("*.x"), timeout=60)
        h.respond(request, as_('{"ok":true}'))
        first = rpc.message().payload
        rpc = client.rpc("bytes-service.x")
        h.respond_error(h.recv(topic_glob=as_("*.x"), timeout=60), 22, as_("no"))
        rpc.wait_for(20)
        second = rpc.error_string()
    h.service_unregister(as_("bytes-service")).get()
    return first, second


def _attributes(h: flux.Flux, as_: Same) -> object:
    h.attr_set(as_("bytes-attr"), as_("value"))
    found = h.attr_get(as_("bytes-attr"))
    h.attr_set(as_("bytes-attr"), None)
    with pytest.raises(FileNotFoundError):
        h.attr_get(as_("bytes-attr"))
    return found


def _log(h: flux.Flux, as_: Same) -> object:
    h.log_set_appname(as_("bytes-app"))
    h.log_set_procid(as_("77"))
    h.log(6, as_("a line"))
    stream, lines = h.rpc("log.dmesg", {"follow": False}, flags=FLUX_RPC_STREAMING), list[str]()
    while not stream.wait_for(20).has_error():
        lines.append(stream.get_str() or "")
        stream.reset()
    return [line.split(" ", 2)[2] for line in lines if "bytes-app" in line][-1].strip()


def _kvs_put(h: flux.Flux, as_: Same) -> object:
    kvs.put(h, as_("by.put"), 1)
    kvs.put_mkdir(h, as_("by.dir"))
    kvs.put_symlink(h, as_("by.link"), as_("by.put"))
    kvs.put(h, as_("by.gone"), 1)
    kvs.put_unlink(h, as_("by.gone"))
    kvs.put(h, as_("other"), 2, namespace=as_("space"))
    kvs.commit(h, namespace=as_("space"))
    kvs.commit(h)
    directory = kvs.KVSDir(h, as_("by"))
    directory[as_("set")] = 7
    directory.fill({"filled": 8})
    directory.mkdir(as_("made"), {"x": 1})
    found = dict(directory.items())
    return (
        sorted(found),
        directory[as_("set")],
        directory.exists(as_("set")),
        as_("set") in directory,
        kvs.get(h, as_("other"), namespace=as_("space")),
        sorted(map(str, kvs.walk(as_("by"), flux_handle=h))),
    )


def _kvs_more(h: flux.Flux, as_: Same) -> object:
    kvs.copy(h, as_("there"), as_("copied"))
    kvs.move(h, as_("copied"), as_("moved"))
    kvs.copy(h, as_("inside"), as_("copied"), source_ns=as_("space"), target_ns=as_("primary"))
    kvs.namespace_create(h, as_("short-lived"))
    kvs.namespace_remove(h, as_("short-lived"))
    txn = kvs.Txn().put(as_("t.a"), 1).put_raw(as_("t.b"), as_("raw")).append(as_("t.b"), as_("!"))
    txn.mkdir(as_("t.c")).symlink(as_("t.d"), as_("t.a"), as_("primary")).unlink(as_("t.a"))
    kvs.commit_txn(h, txn, namespace=as_("primary"))
    kvs.fence(h, as_(f"fence-{as_.__qualname__}"), 1, kvs.Txn().put("fenced", 1))
    return (
        kvs.get(h, as_("moved")),
        kvs.get(h, as_("copied")),
        kvs.get_raw(h, as_("t.b")),
        kvs.readlink(h, as_("t.d")),
        kvs.is_symlink(h, as_("t.d")),
        next(kvs.watch(h, as_("there"), timeout=60)),
        kvs.getroot(h, as_("space")).owner,
        kvs.sync(h, as_("space"), timeout=60) > 0,
    )


def _job(h: flux.Flux, as_: Same) -> object:
    spec = job.JobspecV1.from_command(["true"])
    spec.cwd = "/"
    spec.setattr("system.exec.test.run_duration", "0.001s")
    jobid = job.submit(h, as_(spec.dumps()))
    job.event_wait(h, as_(str(jobid)), as_("clean"), as_("eventlog"))
    names = [event.name for event in job.event_watch(h, as_(str(jobid)), as_("eventlog"))]
    users = JobList(h, user=as_(str(os.getuid())), filters=[as_("inactive")], ids=[as_(str(jobid))])
    with pytest.raises(OSError, match="unknown job id"):
        job.cancel(h, as_(str(jobid)), as_("because"))
    with pytest.raises(OSError, match="unknown job id"):
        job.kill(h, as_(str(jobid)))
    return (
        names[0],
        [found.id for found in users.jobs()] == [jobid],
        job.result(h, as_(str(jobid))).result,
        "submit" in job.job_kvs(h, as_(str(jobid)))["eventlog"],
    )


def _executor(h: flux.Flux, as_: Same) -> object:
    with job.FluxExecutor(handle_args=(as_(str(h.url)),)) as executor:
        return executor.submit(job.JobspecV1.from_command(["true"])).result(timeout=60)


CALLS: dict[str, Callable[[flux.Flux, Same], object]] = {
    "attributes": _attributes,
    "events": _event,
    "messages": _message,
    "a service": _service,
    "log": _log,
    "kvs put": _kvs_put,
    "kvs more": _kvs_more,
    "job": _job,
    "executor": _executor,
    "uri": lambda h, as_: flux.Flux(as_(str(h.url))).attr_get("size"),
    "rpc payload": lambda h, as_: h.rpc(as_("attr.get"), as_('{"name":"rank"}')).get(),
    "rpc class": lambda h, as_: RPC(h, as_("attr.get"), as_('{"name":"size"}')).get(),
    "rpc raw": lambda h, as_: h.rpc_raw(as_("attr.get"), b'{"name":"rank"}\0').get(),
    "watcher": lambda h, as_: h.msg_watcher_create(print, topic_glob=as_("x.*")).topic_glob,
    "barrier": lambda h, as_: h.barrier(as_("b"), 1).get(),
    "kvs get": lambda h, as_: kvs.get(h, as_("there")),
    "kvs get in a namespace": lambda h, as_: kvs.get(h, as_("inside"), as_("space")),
    "kvs directory": lambda h, as_: kvs.get_dir(h, as_("dir")).files(),
    "kvs exists": lambda h, as_: (kvs.exists(h, as_("there")), kvs.exists(h, as_("not"))),
    "kvs isdir": lambda h, as_: (kvs.isdir(h, as_("dir")), kvs.isdir(h, as_("there"))),
    "kvs join": lambda h, as_: kvs.join(as_("a"), as_("b")),
    "kvs normalize": lambda h, as_: kvs.normalize(as_("a..b")),
    "kvs lookup": lambda h, as_: kvs_rpc.value_of(kvs_rpc.lookup(h, as_("there"))),
    "kvs version": lambda h, as_: kvs.get_version(h, as_("space")) > 0,
    "content": lambda h, as_: content.load(h, as_(content.store(h, as_("blob")))),
    "job ids": lambda h, as_: [
        JobID(as_(text)) for text in ("ƒ26GwX", "f26GwX", "1234", "0x10", "0000.0000.0000.0001")
    ],
    "spelling of a job id": lambda h, as_: (JobID(as_("ƒ2")).orig, JobID(1).encode(as_("hex"))),
    "idset": lambda h, as_: (str(IDset(as_("0-3,7"))), str(IDset("1").add(as_("2-4")))),
    "hostlist": lambda h, as_: (
        str(Hostlist(as_("a[0-3]"))),
        Hostlist("a[0-3]").index(as_("a1")),
        str(Hostlist([as_("b1"), as_("b2")])),
    ),
    "resources": lambda h, as_: str(
        ResourceSet(as_('{"version":1,"execution":{"R_lite":[],"starttime":0,"expiration":0}}'))
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_bytes_are_text(h: flux.Flux, name: str) -> None:
    call = CALLS[name]
    assert call(h, str.encode) == call(h, str)


async def test_the_asyncio_handle_takes_bytes(instance: Instance) -> None:
    outcomes: list[Any] = []
    for as_ in (str, str.encode):
        async with await AsyncFlux.connect(as_(instance.uri)) as handle:
            events = await handle.event_subscribe(as_("aio-bytes."))
            handle.event_send(as_("aio-bytes.one"), as_('{"n":1}'))
            await handle.event_publish(as_("aio-bytes.two"), as_('{"n":2}'))
            await handle.attr_set(as_("aio-attr"), as_("x"))
            await handle.barrier(as_("aio"), 1)
            await handle.publish(as_("aio-bytes.three"), as_('{"n":3}'))
            other = await handle.subscribe(as_("aio-other."))
            await other.close()
            await handle.rpc_message(as_("kvs.ping"), {})
            async with handle.stream(as_("log.dmesg"), as_('{"follow":false}'), cancel=None) as log:
                assert await log.next_message() is not None
            await handle.service_register(as_("aio-service"))
            await handle.service_unregister(as_("aio-service"))
            handle.log(6, as_("a line"))
            outcomes.append(
                (
                    await handle.rpc(as_("attr.get"), as_('{"name":"rank"}')),
                    await handle.attr_get(as_("aio-attr")),
                    [(await anext(events)).json() for _ in range(3)],
                )
            )
            await events.close()
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize(
    "call",
    [
        lambda h, bad: h.attr_get(bad),
        lambda h, bad: h.attr_set(bad, "x"),
        lambda h, bad: h.rpc(bad),
        lambda h, bad: h.event_subscribe(bad),
        lambda h, bad: h.event_send(bad),
        lambda h, bad: h.event_publish(bad),
        lambda h, bad: h.service_register(bad),
        lambda h, bad: h.barrier(bad, 1),
        lambda h, bad: h.log(6, bad),
        lambda h, bad: kvs.get(h, bad),
        lambda h, bad: kvs.put(h, bad, 1),
        lambda h, bad: kvs.namespace_create(h, bad),
        lambda h, bad: content.load(h, bad),
        lambda h, bad: job.id_parse(bad),
    ],
)
def test_what_is_neither_is_refused_with_a_sentence(
    h: flux.Flux, call: Callable[[flux.Flux, Any], object]
) -> None:
    with pytest.raises(OSError, match=r"must not be None|needs a topic"):
        call(h, None)
    with pytest.raises((TypeError, ValueError), match=r"must be a string or bytes|not a valid"):
        call(h, [1])


def test_numbers_out_of_range_are_refused_with_a_sentence(h: flux.Flux) -> None:
    for nodeid in (-1, 1 << 32):
        with pytest.raises(OSError, match=f"out of range: nodeid {nodeid},"):
            h.rpc("attr.get", {"name": "rank"}, nodeid=nodeid)
    for level in (-1, 8, 99):
        with pytest.raises(OSError, match=f"{level} is not a log level"):
            h.log(level, "x")
    assert h.attr_get("rank") == "0"


def test_values_that_are_no_text_come_back_as_the_bytes_they_are(h: flux.Flux) -> None:
    values = {
        "raw": b"\xff\0",
        "nul": b"a\0b",
        "text": b"caf\xc3\xa9",
        "empty": b"",
        "json": b"[1]",
    }
    for name, value in values.items():
        kvs.put(h, f"values.{name}", value)
    kvs.commit(h)
    found = dict(kvs.get_dir(h, "values").items())
    assert found == {"raw": b"\xff\0", "nul": b"a\0b", "text": "café", "empty": None, "json": [1]}
    assert {name: kvs.get_raw(h, f"values.{name}") for name in values} == values
