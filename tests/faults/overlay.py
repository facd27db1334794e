"""Garbage on the tree network: strangers, wrong keys, and a child with the right key that talks
nonsense.

A round tries, on a TCP and on an ipc endpoint: random bytes and half-open connections; CURVE with
the wrong server key, with none, and with a key that the broker does not know; and, with a key that
it does know, hellos and messages of every kind that make no sense. After each the broker still
answers its clients, and strangers have been told of in its log.
"""

from __future__ import annotations

import contextlib
import socket
import time
from typing import TYPE_CHECKING

import zmq

from broker.overlay.keys import KeyPair
from flux.wire.codec import to_frames
from flux.wire.message import (
    CONTROL,
    EVENT,
    PAYLOAD,
    REQUEST,
    RESPONSE,
    ROUTE,
    TOPIC,
    Message,
    control,
    request,
)
from tests.faults.command import Settings, main
from tests.faults.impostor import Impostor
from tests.faults.instances import folder, until
from tests.faults.outcome import Outcome

if TYPE_CHECKING:
    import random

STRANGERS = 100
NONSENSE = 300
HELLOS = (
    *(
        '{"rank":"1"}',
        '{"rank":-1}',
        '{"rank":4294967296}',
        '{"rank":' + "9" * 40 + "}",
        '{"rank":1.0}',
    ),
    *('{"rank":true}', '{"rank":0}', '{"rank":2}', '{"rank":null}', "{}", "[]", '"x"', "{", ""),
    *('{"rank":[1]}', '{"rank":{"a":1}}', '{"rank":NaN}', '{"rank":1,"rank":2}', "[" * 5000),
)
BODIES = (
    *(b"", b"\0", b"{}\0", b"[" * 5000, b'{"rank":1}\0', b"\xff" * 40, b'{"seq":"\\ud800"}\0'),
    *(b'{"idset":"0-4294967295"}\0', b'{"rank":-1}\0', b'{"namespace":"primary"}\0'),
)
TOPICS = (
    *("overlay.hello", "broker.ping", "kvs.ping", "state-machine.online", "state-machine.lost"),
    *("kvs.setroot-primary", "heartbeat.pulse", "log.append", "x", "", "attr.get", "event.pub"),
)


def strangers(boss: Impostor, chance: random.Random, outcome: Outcome) -> None:
    """Connect with sockets that do not speak ZeroMQ, and leave some of them open."""
    assert boss.boot.parent is not None
    scheme, _, where = boss.boot.parent[0].partition("://")
    with contextlib.ExitStack() as stack:
        for number in range(STRANGERS):
            sock = stack.enter_context(_connected(scheme, where))
            with contextlib.suppress(OSError):
                if number % 3:
                    sock.sendall(_greeting(chance))
            if number % 2:
                sock.close()
            outcome.count("strangers")
        outcome.expect(boss.answers(), f"the broker does not answer beside strangers ({scheme})")


def _connected(scheme: str, where: str) -> socket.socket:
    if scheme == "tcp":
        host, _, port = where.rpartition(":")
        return socket.create_connection((host, int(port)), 60)
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(10)
    sock.connect(where)
    return sock


def _greeting(chance: random.Random) -> bytes:
    kind = chance.randrange(4)
    if kind == 0:
        return chance.randbytes(chance.randrange(1, 2000))
    signature = b"\xff" + b"\0" * 8 + b"\x7f" + b"\x03\x00"
    mechanism = chance.choice((b"NULL", b"CURVE", b"PLAIN", chance.randbytes(20)))
    greeting = signature + mechanism.ljust(20, b"\0") + b"\0" * 32
    return greeting[: chance.randrange(1, 64)] if kind == 1 else greeting + chance.randbytes(200)


def wrong_keys(boss: Impostor, outcome: Outcome) -> None:
    """Speak CURVE with keys that are not right, and not at all; the log has to tell of both.

    It may tell of the same kind of refusal once in a while only.
    """
    hello = to_frames(request("overlay.hello", {"rank": 1, "uuid": "z", "version": "0.29.0"}))
    attempts = {
        "an unknown client key": boss.connect("z1", client=KeyPair.generate()),
        "a wrong server key": boss.connect("z2", server_key=KeyPair.generate().public),
        "no CURVE": _without_curve(boss),
    }
    since = len(boss.log.read_text())
    for what, sock in attempts.items():
        with contextlib.suppress(zmq.Again):
            sock.send_multipart(hello, zmq.NOBLOCK)
        outcome.expect(not sock.poll(300), f"a child with {what} is answered")
        sock.close(0)
    told = until(lambda: boss.log.read_text()[since:].count("overlay: connection") >= 2)
    outcome.expect(
        told, f"connections with wrong keys are not told of: {boss.log.read_text()[since:]}"
    )
    outcome.expect(boss.answers(), "the broker does not answer after wrong keys")


def _without_curve(boss: Impostor) -> zmq.Socket[bytes]:
    assert boss.boot.parent is not None
    sock = boss.context.socket(zmq.DEALER)
    sock.setsockopt(zmq.LINGER, 0)
    sock.connect(boss.boot.parent[0])
    return sock


def nonsense(boss: Impostor, chance: random.Random, outcome: Outcome) -> None:
    """Be a child with the right key: strange hellos, then a right one and strange messages."""
    for number, hello in enumerate(HELLOS):
        sock = boss.connect(f"h{number}")
        sock.send_multipart(to_frames(request("overlay.hello", hello, matchtag=1)))
        sock.send_multipart(_frames(chance))
        outcome.count("hellos")
        if not outcome.expect(boss.answers(), f"the broker does not answer after hello {hello}"):
            return
        sock.close(0)
    for turn in range(3):
        sock = boss.connect(f"child{turn}")
        _join(sock, f"child{turn}", outcome)
        for _ in range(NONSENSE):
            sock.send_multipart(_frames(chance))
            outcome.count("nonsense from a child")
        if not outcome.expect(
            boss.answers(), "the broker does not answer after nonsense from a child"
        ):
            return
        sock.send_multipart(to_frames(control(1)))  # goodbye, so that the next turn may join
        sock.close(100)


def _join(sock: zmq.Socket[bytes], identity: str, outcome: Outcome) -> None:
    """Say hello as rank 1 until welcome: the broker may not have noticed yet that the last one
    left.
    """
    hello = {"rank": 1, "uuid": identity, "version": "0.29.0"}
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        sock.send_multipart(to_frames(request("overlay.hello", hello)))
        if sock.poll(500) and len(sock.recv_multipart()) > 1:
            outcome.count("joined")
            return


def _frames(chance: random.Random) -> list[bytes]:
    """Return the frames of one message that no broker would send."""
    if chance.random() < 0.3:
        return [
            chance.randbytes(chance.choice((0, 1, 20, 300))) for _ in range(chance.randrange(1, 6))
        ]
    kind = chance.choice((REQUEST, RESPONSE, EVENT, CONTROL))
    number = chance.choice((0, 1, 2, 3, 2**32 - 1, chance.getrandbits(32)))
    if kind == CONTROL and number in (1, 2):
        number = 7  # goodbye and disconnect end the link, as they should
    msg = Message(
        kind,
        chance.choice(TOPICS),
        chance.choice(BODIES),
        flags=TOPIC | PAYLOAD | ROUTE if chance.random() < 0.7 else chance.randrange(128),
        userid=chance.choice((0, 65534, 2**32 - 1)),
        rolemask=chance.choice((0, 1, 2, 2**32 - 1)),
        aux1=number,
        aux2=chance.getrandbits(32),
        routes=[chance.choice(("x", "y" * 200)) for _ in range(chance.randrange(4))],
    )
    frames = to_frames(msg)
    if chance.random() < 0.3:
        place = chance.randrange(len(frames))
        frames[place] = frames[place][: chance.randrange(len(frames[place]) + 1)]
    return frames


def overlay(settings: Settings) -> Outcome:
    """Go through all of it ``rounds`` times."""
    outcome, chance = Outcome("overlay", settings.seed), settings.random()
    for _ in range(settings.rounds):
        for prefer_tcp in (True, False):
            with folder() as base, Impostor(base, prefer_tcp) as boss:
                if not outcome.expect(boss.up(), f"no broker: {boss.log.read_text()}"):
                    continue
                wrong_keys(boss, outcome)
                strangers(boss, chance, outcome)
                nonsense(boss, chance, outcome)
                outcome.count("exceptions in logs", boss.log.read_text().count("Traceback"))
        outcome.count("rounds")
    return outcome


if __name__ == "__main__":
    main(overlay, __doc__, rounds=3)
