"""Messages and bytes that no client library would send."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from flux.wire.framing import pack
from flux.wire.message import (
    CONTROL,
    EVENT,
    PAYLOAD,
    PRIVATE,
    REQUEST,
    RESPONSE,
    ROUTE,
    TOPIC,
    Message,
)

if TYPE_CHECKING:
    import random

EVENT_TOPICS = (
    *("kvs.setroot-primary", "kvs.namespace-removed-primary", "kvs.dropcache", "heartbeat.pulse"),
    *("job-exception", "job-state", "overlay.online", "overlay.offline", "shell-1.kill"),
    *("state-machine.online", "resource.x", "sched.x", "kvs.stats.clear", "x", "", "a" * 5000),
)
"""Events that services act on, and some that mean nothing; not the one that ends the instance."""
EVENT_BODIES = (
    *(
        b"",
        b"\0",
        b"{}\0",
        b"[]\0",
        b"null\0",
        b'{"namespace":1}\0',
        b"\xff\xfe\0",
        b'{"idset":"x"}\0',
    ),
    *(b'{"namespace":"primary","rootref":"x","rootseq":"y","owner":null,"keys":3}\0',),
    *(b'{"namespace":"primary","rootref":"sha1-0","rootseq":99999999999,"owner":0,"keys":[]}\0',),
    *(b"[" * 3000 + b"]" * 3000 + b"\0", b'{"a":"\\ud800"}\0', b'{"id":1e400}\0'),
)
HARMFUL_BY_RIGHT = ("kvs.setroot-primary",)
"""Events with which the owner may confuse its own instance: sent with bodies that are malformed."""


class RawMessages:
    """Draws bytes to send on a connection."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def draw(self) -> bytes:
        """Return one message, well framed or not."""
        kind = self.chance.random()
        if kind < 0.4:
            return pack(self._event())
        if kind < 0.9:
            return pack(self._message())
        return self._garbage()

    def _event(self) -> Message:
        chance = self.chance
        topic = chance.choice(EVENT_TOPICS)
        flags = TOPIC | ROUTE | chance.choice((0, PRIVATE)) | PAYLOAD
        return Message(
            EVENT,
            topic,
            chance.choice(EVENT_BODIES[:9] if topic in HARMFUL_BY_RIGHT else EVENT_BODIES),
            flags=flags,
            userid=chance.choice((0, 1, 65534, 2**32 - 1)),
            rolemask=chance.choice((0, 1, 2, 2**32 - 1)),
            aux1=chance.choice((0, 1, 2**32 - 1)),
        )

    def _message(self) -> Message:
        chance = self.chance
        routes = [chance.choice(("x", "", "a" * 300, "é")) for _ in range(chance.randrange(4))]
        return Message(
            chance.choice((REQUEST, RESPONSE, EVENT, CONTROL)),
            chance.choice(
                ("x", "", "kvs.ping", "attr.get", "broker.ping", ".", "kvs.", "a" * 70000)
            ),
            chance.choice((b"", b"\0", b"{}\0", b"{", chance.randbytes(40))),
            flags=chance.randrange(256),
            userid=chance.getrandbits(32),
            rolemask=chance.getrandbits(32),
            aux1=chance.choice((0, 1, 2**32 - 1, chance.getrandbits(32))),
            aux2=chance.choice((0, 1, chance.getrandbits(32))),
            routes=[route for route in routes if route],
        )

    def _garbage(self) -> bytes:
        chance = self.chance
        good = pack(self._message())
        kind = chance.randrange(4)
        if kind == 0:
            return chance.randbytes(chance.randrange(1, 300))
        if kind == 1:
            return good[: chance.randrange(1, len(good))]
        if kind == 2:
            size = chance.choice((0, 1, 2**30 + 1, 2**31, 2**32 - 1))
            return good[:4] + struct.pack(">I", size) + good[8:40]
        place = chance.randrange(8, len(good))
        return good[:place] + chance.randbytes(1) + good[place + 1 :]
