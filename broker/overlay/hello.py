"""The message by which a broker introduces itself to its parent, and its refusal."""

from __future__ import annotations

import errno

from flux.wire.message import REQUEST, Message, request, response

HELLO = "overlay.hello"


def hello(rank: int, uuid: str, version: str) -> Message:
    """Return the introduction of a broker."""
    return request(HELLO, {"rank": rank, "uuid": uuid, "version": version})


def introduction(msg: Message) -> tuple[int, str]:
    """Return rank and uuid of a hello; raises ValueError if it is malformed."""
    try:
        body = msg.json()
    except ValueError:
        raise ValueError("its payload is not JSON") from None
    rank, uuid = (body.get("rank"), body.get("uuid")) if isinstance(body, dict) else (None, None)
    if type(rank) is not int or not isinstance(uuid, str):
        raise ValueError("it names no rank and uuid")
    return rank, uuid


def refusal(number: int, text: str) -> Message:
    """Return what a broker takes as the answer to its hello when its parent sends none."""
    return response(Message(REQUEST, HELLO), text, errnum=number or errno.EPERM)
