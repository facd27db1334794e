"""What a trace shows of messages, and to whom."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from broker.request import Request
from broker.tracing import Tracer
from flux.wire.message import STREAMING, Message, event, request, response


class Client:
    """A client that traces, and what it is sent."""

    def __init__(self, name: str, **payload: Any) -> None:
        self.got: list[Any] = []
        self.errors: list[int] = []
        asked = {"typemask": 15, "topic_glob": "*", "full": False, **payload}
        msg = request("module.trace", asked, flags=STREAMING, matchtag=7)
        msg.routes = [name]
        self.request = Request(msg, asked, self._take)

    def _take(self, msg: Message) -> None:
        if msg.errnum:
            self.errors.append(msg.errnum)
        else:
            self.got.append(msg.json())


def a_tracer(now: float = 0.0) -> Tracer:
    return Tracer(lambda: now, lambda: None)


def asked(topic: str = "kvs.commit", payload: object = None) -> Message:
    return request(topic, payload, nodeid=0, matchtag=1)


def test_a_message_of_a_module_that_was_asked_for() -> None:
    tracer, client = a_tracer(12.5), Client("c", names=["kvs"], full=True)
    tracer.add(client.request)
    tracer.saw("rx", asked(payload={"a": 1}), "kvs")
    tracer.saw("rx", asked(payload={"a": 1}), "resource")
    assert client.got == [
        {
            "timestamp": 12.5,
            "prefix": "rx",
            "rank": -1,
            "name": "kvs",
            "type": 1,
            "topic": "kvs.commit",
            "payload_size": 8,
            "payload": {"a": 1},
            "errnum": 0,
            "errstr": "",
        }
    ]


def test_types_topics_and_neighbours_are_filtered() -> None:
    tracer = a_tracer()
    responses = Client("a", typemask=2)
    commits = Client("b", topic_glob="*.commit")
    of_two = Client("c", nodeid=2)
    for client in (responses, commits, of_two):
        tracer.add(client.request)
    commit, lookup = asked(), asked("kvs.lookup")
    tracer.saw("tx", commit, rank=1)
    tracer.saw("tx", lookup, rank=2)
    tracer.saw("rx", response(lookup, "no such key", errnum=errno.ENOENT), rank=2)
    tracer.saw("tx", event("heartbeat.pulse"), rank=-1)
    assert [(one["topic"], one["errnum"], one["errstr"]) for one in responses.got] == [
        ("kvs.lookup", errno.ENOENT, "no such key")
    ]
    assert [(one["rank"], one["topic"]) for one in commits.got] == [(1, "kvs.commit")]
    assert [one["topic"] for one in of_two.got] == ["kvs.lookup", "kvs.lookup", "heartbeat.pulse"]


def test_payloads_that_are_no_objects_and_traces_themselves() -> None:
    tracer, client = a_tracer(), Client("c", full=True)
    tracer.add(client.request)
    tracer.saw("rx", asked("content.store", b"\xff\x00"))
    tracer.saw("rx", asked("module.trace"))
    assert [(one["topic"], one["payload"]) for one in client.got] == [("content.store", None)]


def test_a_trace_ends_when_it_is_canceled_or_its_client_goes() -> None:
    rested: list[str] = []
    tracer = Tracer(lambda: 0.0, lambda: rested.append("nobody traces"))
    one, two = Client("one"), Client("two")
    tracer.add(one.request)
    tracer.add(two.request)
    tracer.cancel(Request(one.request.message, {"matchtag": 7}, lambda msg: None))
    assert not rested
    tracer.forget("two")
    assert rested == ["nobody traces"]
    tracer.saw("rx", asked())
    assert (one.got, one.errors, two.got, two.errors) == ([], [errno.ENODATA], [], [])


def test_all_traces_end_with_the_service() -> None:
    rested: list[str] = []
    tracer = Tracer(lambda: 0.0, lambda: rested.append("nobody traces"))
    client = Client("c")
    tracer.add(client.request)
    tracer.end()
    assert (client.errors, rested) == ([errno.ENODATA], ["nobody traces"])


@pytest.mark.parametrize(
    ("wrong", "number"),
    [
        ({"typemask": 16}, errno.EINVAL),
        ({"typemask": 0}, errno.EINVAL),
        ({"topic_glob": 1}, errno.EPROTO),
        ({"full": 1}, errno.EPROTO),
        ({"names": "kvs"}, errno.EPROTO),
    ],
)
def test_malformed_requests(wrong: dict[str, Any], number: int) -> None:
    tracer, client = a_tracer(), Client("c", **wrong)
    with pytest.raises(OSError) as caught:
        tracer.add(client.request)
    assert caught.value.errno == number
    tracer.saw("rx", asked())
    assert client.got == []
