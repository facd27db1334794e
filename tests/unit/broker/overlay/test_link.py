"""Links of the tree: what they remember, and that nonsense costs only the neighbour's own link."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from broker.overlay.keys import KeyPair
from broker.overlay.link import Link
from broker.overlay.refusals import PERIOD, Refusals
from flux.wire.codec import to_frames
from flux.wire.message import MORE, NORESPONSE, STREAMING, Message, request, response

from .test_keys import Side, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def asked(
    topic: str, tag: int, flags: int = 0, route: tuple[str, ...] = ("client",), nodeid: int = 7
) -> Message:
    msg = request(topic, {}, nodeid=nodeid, matchtag=tag, flags=flags)
    msg.routes, msg.userid, msg.rolemask = list(route), 5, 2
    return msg


def more(msg: Message) -> Message:
    answer = response(msg, {})
    answer.flags |= MORE
    return answer


async def test_a_request_with_several_responses_waits_for_the_last_one() -> None:
    link = Link("id", 1, lambda frames: None)
    command, done, plain, stream, silent = (
        asked("broker.rexec", 1), asked("broker.rexec", 2), asked("kvs.ping", 3),
        asked("log.dmesg", 4, STREAMING), asked("log.append", 5, NORESPONSE),
    )  # fmt: skip
    for msg in (command, done, plain, stream, silent):
        link.deliver(msg)
    for answer in (
        more(command),
        more(done),
        response(done, {}),
        response(plain, {}),
        response(stream, {}),
    ):
        link.answered(answer)
    failed = link.fail()
    assert [(msg.topic, msg.aux2, msg.aux1) for msg in failed] == [
        ("broker.rexec", 1, errno.EHOSTUNREACH), ("log.dmesg", 4, errno.EHOSTUNREACH),
    ]  # fmt: skip
    assert link.fail() == []


async def test_a_stream_ends_with_its_error() -> None:
    link = Link("id", 1, lambda frames: None)
    stream = asked("log.dmesg", 4, STREAMING)
    link.deliver(stream)
    link.answered(response(stream, errnum=errno.ENODATA))
    assert link.fail() == []


async def test_services_are_told_of_clients_that_went_with_the_neighbour() -> None:
    link = Link("id", 1, lambda frames: None)
    for msg in (
        asked("broker.rexec", 1),
        asked("broker.rexec.signal", 2),
        asked("kvs-watch.lookup", 3, route=("hop", "other")),
        asked("gone.by", 4, route=("third",)),
        asked("gone.disconnect", 0, NORESPONSE, route=("third",)),
    ):
        link.asked(msg)
    told = {(msg.topic, tuple(msg.routes), msg.aux1, msg.userid) for msg in link.farewells()}
    assert told == {
        ("broker.disconnect", ("client",), 7, 5), ("broker.rexec.disconnect", ("client",), 7, 5),
        ("kvs-watch.disconnect", ("hop", "other"), 7, 5),
    }  # fmt: skip
    assert link.farewells() == []
    assert link.held == (0, 0)


def test_refusals_are_logged_now_and_then() -> None:
    refusals = Refusals()
    assert refusals.line("no key", 100.0) == "overlay: no key"
    assert [refusals.line("no key", 100.0 + second) for second in range(1, 4)] == [None] * 3
    assert refusals.line("other", 103.0) == "overlay: other"
    assert refusals.line("no key", 100.0 + PERIOD) == "overlay: no key (3 more since the last line)"


class Peer:
    """A parent that listens, and a socket of its child that says whatever a test wants."""

    def __init__(self, folder: Any, server_key: str | None = None) -> None:
        self.parent, self.keys = Side(0, size=3), KeyPair.generate()
        self.left: list[tuple[int, bool]] = []
        self.parent.overlay.child_left = lambda rank, orderly: self.left.append((rank, orderly))
        endpoint = self.parent.overlay.bind(f"ipc://{folder}/up")
        self.parent.overlay.auth.allow(self.keys.public, "1")
        self.parent.overlay.start()
        self.parent.overlay.set_ready()
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.ROUTING_ID, b"uuid1")
        if server_key != "":
            self.socket.curve_serverkey = (server_key or self.parent.keys.public).encode()
            self.socket.curve_publickey = self.keys.public.encode()
            self.socket.curve_secretkey = self.keys.secret.encode()
        self.socket.connect(endpoint)

    def hello(self, payload: Any) -> None:
        self.socket.send_multipart(to_frames(request("overlay.hello", payload)))

    async def close(self) -> None:
        self.context.destroy(0)
        await self.parent.overlay.close()


@pytest.fixture
async def peer(tmp_path: Any) -> AsyncIterator[Peer]:
    peer = Peer(tmp_path)
    yield peer
    await peer.close()


@pytest.mark.parametrize(
    "payload",
    [
        *({"rank": rank, "uuid": "u"} for rank in ("1", True, 1.0, -1, 0)),
        b'{"rank":%d,"uuid":"u"}\0' % 10**30,
        *({"rank": 1}, {"rank": 1, "uuid": 7}, {}, [1], "text", None),
    ],
)
async def test_a_hello_that_is_nonsense_is_rejected(peer: Peer, payload: Any) -> None:
    peer.hello(payload)
    await until(lambda: peer.parent.logged("rejected"))
    assert peer.parent.overlay.online_children == []
    peer.hello({"rank": 1, "uuid": "u"})
    await until(lambda: peer.parent.overlay.online_children == [1])


async def test_garbage_of_a_child_costs_it_its_link(peer: Peer) -> None:
    peer.hello({"rank": 1, "uuid": "u"})
    await until(lambda: peer.parent.overlay.online_children == [1])
    peer.socket.send_multipart([b"\xff", b"garbage"])
    await until(lambda: peer.left == [(1, False)])
    assert peer.parent.logged("malformed message from rank 1")
    assert peer.parent.overlay.online_children == []


@pytest.mark.parametrize(
    "server_key", ["", KeyPair.generate().public], ids=["no encryption", "another server"]
)
async def test_a_failed_handshake_is_logged_once(tmp_path: Any, server_key: str) -> None:
    peer = Peer(tmp_path, server_key)
    await until(
        lambda: peer.parent.logged(
            "connection without encryption, or for another server key, refused"
        )
    )
    await asyncio.sleep(0)
    lines = [entry for entry in peer.parent.logs if "refused" in entry.text]
    assert len(lines) == 1
    await peer.close()
