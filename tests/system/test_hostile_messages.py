"""No message stops a broker: each is answered or dropped, and whatever comes after it is served."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance
from flux.wire import framing
from flux.wire import message as wire

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 3
NUL = b"\0"


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(SIZE) as running:
        yield running


class Wire:
    """A connection that sends what no client library would."""

    def __init__(self, instance: Instance) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(instance.uri.removeprefix("local://"))
        self.socket.settimeout(20)
        assert self.socket.recv(1) == NUL
        self._unpacker = framing.Unpacker()
        self._tag = 0

    def send(self, msg: wire.Message) -> None:
        self.socket.sendall(framing.pack(msg))

    def ask(self, topic: str, payload: bytes | None, rank: int, flags: int = 0) -> wire.Message:
        """Send a request with a payload as it is; returns the first response to it."""
        self._tag += 1
        self.send(wire.request(topic, payload, nodeid=rank, matchtag=self._tag, flags=flags))
        while True:
            data = self.socket.recv(1 << 20)
            assert data, "the broker closed the connection"
            for msg in self._unpacker.feed(data):
                if msg.aux2 == self._tag:
                    return msg


@pytest.fixture
def client(instance: Instance) -> Iterator[Wire]:
    connection = Wire(instance)
    with connection.socket:
        yield connection


def deep(levels: int, key: str = "name") -> bytes:
    return b'{"%s":' % key.encode() + b"[" * levels + b"]" * levels + b"}" + NUL


def check_alive(client: Wire) -> None:
    for rank in range(SIZE):
        assert client.ask("attr.get", b'{"name":"size"}\0', rank).json() == {
            "value": "3",
            "flags": 1,
        }
        answer = client.ask(
            "kvs.lookup", b'{"namespace":"primary","key":"nosuch","flags":0}\0', rank
        )
        assert answer.errnum == errno.ENOENT
    ops = b'{"namespace":"primary","flags":0,"ops":[{"key":"a","flags":0,"dirent":null}]}\0'
    assert client.ask("kvs.commit", ops, 0).errnum == 0


@pytest.mark.parametrize("levels", [199, 240, 253, 254, 1000, 1020, 1500, 100_000])
@pytest.mark.parametrize(
    "topic", ["attr.get", "kvs.ping", "broker.ping", "job-info.lookup", "event.subscribe"]
)
def test_deep_payloads_are_answered(client: Wire, topic: str, levels: int) -> None:
    for rank in range(SIZE):
        answer = client.ask(topic, deep(levels), rank)
        assert answer.errnum in ((0, errno.EPROTO) if levels < 200 else (errno.EPROTO,))
        assert "internal" not in answer.text()
    check_alive(client)


@pytest.mark.parametrize(
    "value", [rb"\ud800", rb"\udc00", rb"\udcff", rb"\ud800\ud800", "\U0010fffd00".encode()]
)
@pytest.mark.parametrize(
    ("topic", "key"),
    [
        ("service.remove", "service"),
        ("service.add", "service"),
        ("attr.get", "name"),
        ("job-manager.jobtap", "load"),
        ("state-machine.lost", "idset"),
        ("job-list.list-id", "attrs"),
        ("kvs.namespace-create", "namespace"),
        ("event.subscribe", "topic"),
    ],
)
def test_text_that_is_not_unicode_is_answered(
    client: Wire, topic: str, key: str, value: bytes
) -> None:
    payload = b'{"%s":"%s","owner":0,"id":1,"flags":0}' % (key.encode(), value) + NUL
    first = client.ask(topic, payload, 0)
    second = client.ask(topic, payload, 0)
    for answer in (first, second):
        assert "surrogate" not in answer.text()
    check_alive(client)


@pytest.mark.parametrize(
    "topic",
    ["kvs.setroot-primary", "kvs.namespace-removed-x", "kvs.dropcache", "kvs.stats.clear",
     "heartbeat.pulse", "job-exception", "overlay.online", "overlay.offline", "shell-1.kill",
     "state-machine.nosuch", "resource.x"],
)  # fmt: skip
@pytest.mark.parametrize(
    "payload", [None, b"", NUL, b"{}\0", b'{"a":1}\0', b"[1]\0", b"\xff\0", deep(1500)]
)
def test_events_without_sense_are_survived(client: Wire, topic: str, payload: bytes | None) -> None:
    client.send(wire.event(topic, payload))
    check_alive(client)


def test_what_a_message_did_is_logged_with_topic_and_sender(
    instance: Instance, client: Wire
) -> None:
    client.ask("kvs.ping", b'{"route":1,"a":1e308}\0', 0)
    client.send(wire.event("kvs.setroot-primary", b"[1]\0"))
    check_alive(client)
    assert "kvs.setroot-primary" in instance.run("dmesg").stdout
