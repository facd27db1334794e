"""What a client sees of messages that pass a module or a neighbour in the tree: ``module.trace``
and ``overlay.trace`` (flux-module(1), flux-overlay(1)). No I/O.
"""

from __future__ import annotations

import errno
import json
import os
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, TypedDict

from msgspec import Struct

from broker.request import StreamSet
from flux.wire.message import CONTROL, EVENT, REQUEST, RESPONSE

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.request import Request
    from flux.wire.message import Message

Way: TypeAlias = Literal["rx", "tx"]
ALL_TYPES: Final = REQUEST | RESPONSE | EVENT | CONTROL
ANY_RANK: Final = -1


class TracedMessage(TypedDict):
    """A message as a trace tells of it: ``prefix`` says whether it was received or sent, ``rank``
    and ``name`` by whom.
    """

    timestamp: float
    prefix: Way
    rank: int
    name: str | None
    type: int
    topic: str | None
    payload_size: int
    payload: object
    errnum: int
    errstr: str


class TraceFilter(Struct, frozen=True):
    """Which messages a client wants to see: their types, topics, and where they passed."""

    typemask: int
    topic: str
    full: bool
    names: frozenset[str] = frozenset()
    rank: int = ANY_RANK

    @classmethod
    def parse(cls, req: Request) -> TraceFilter:
        """Return what a request asks for; raises OSError: EPROTO if it is malformed, EINVAL for
        types that there are not.
        """
        mask = req.get("typemask", int)
        if not mask or mask & ~ALL_TYPES:
            raise OSError(errno.EINVAL, "typemask has types of messages that there are not")
        names = frozenset(str(name) for name in req.get("names", list, []))
        topic, full = req.get("topic_glob", str), req.get("full", bool)
        return cls(mask, topic, full, names, req.get("nodeid", int, ANY_RANK))

    def wants(self, msg: Message, name: str | None, rank: int) -> bool:
        """Whether a message that passed the module ``name``, or the neighbour ``rank``, is one of
        these; messages of no rank in particular pass every one.
        """
        return (
            bool(msg.type & self.typemask)
            and (name is None or name in self.names)
            and (ANY_RANK in (rank, self.rank) or rank == self.rank)
            and fnmatchcase(msg.topic or "", self.topic)
        )


def traced(
    msg: Message, way: Way, now: float, *, full: bool, name: str | None = None, rank: int = ANY_RANK
) -> TracedMessage:
    """Return what is told of a message; its payload only if that is wanted and a JSON object."""
    payload = msg.payload or b""
    failure = msg.aux1 if msg.type == RESPONSE else 0
    return {
        "timestamp": now,
        "prefix": way,
        "rank": rank,
        "name": name,
        "type": msg.type,
        "topic": msg.topic,
        "payload_size": len(payload),
        "payload": _object_in(payload) if full else None,
        "errnum": failure,
        "errstr": _reason(payload, failure) if failure else "",
    }


def _object_in(payload: bytes) -> object:
    """Return the JSON object of a payload, None if it is anything else."""
    try:
        found: object = json.loads(payload.removesuffix(b"\0"))
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _reason(payload: bytes, failure: int) -> str:
    return payload.removesuffix(b"\0").decode(errors="replace") or os.strerror(failure)


class Tracer:
    """The clients that trace, each with its filter. ``now`` returns seconds since the epoch;
    ``rest`` is called when the last of them is gone: what passes is not looked at for nothing.
    """

    def __init__(self, now: Callable[[], float], rest: Callable[[], object]) -> None:
        self._now = now
        self._rest = rest
        self._streams = StreamSet()

    def add(self, req: Request) -> None:
        """Send ``req`` what passes from now on; raises OSError as `TraceFilter.parse` does."""
        self._streams.add(req, TraceFilter.parse(req))

    def cancel(self, req: Request) -> None:
        """End the stream that ``matchtag`` of ``req`` names."""
        self._streams.cancel(req)
        self._look_who_is_left()

    def forget(self, sender: str) -> None:
        """A client went away."""
        self._streams.drop_sender(sender)
        self._look_who_is_left()

    def end(self) -> None:
        """End all streams."""
        for req, _ in self._streams:
            self._streams.remove(req)
            req.end()
        self._rest()

    def _look_who_is_left(self) -> None:
        if not self._streams:
            self._rest()

    def saw(self, way: Way, msg: Message, name: str | None = None, rank: int = ANY_RANK) -> None:
        """Tell those who want to know of a message; their own traces are not among them."""
        for req, wanted in self._streams:
            if (
                isinstance(wanted, TraceFilter)
                and not (msg.topic or "").endswith(".trace")
                and wanted.wants(msg, name, rank)
            ):
                req.respond(traced(msg, way, self._now(), full=wanted.full, name=name, rank=rank))
