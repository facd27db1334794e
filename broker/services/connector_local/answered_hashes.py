"""What a client is told of a blob that it stores: its blobref, or the bytes of its hash.

flux-core 0.29 answers ``content.store`` with a blobref as text, today's with the bytes of a hash,
and nothing in the request tells which one is meant. But today's programs have to know which hash
that is: they ask for the attribute ``content.hash`` before, on the same connection, which those of
0.29 have no reason to. Who shares the connection of a proxy is told apart by its route.

``flux restore`` is one that does not: it stores first. flux-core 0.29 has no such command, so its
name on the command line of the process at the other end tells.
"""

from __future__ import annotations

import errno
import os
from typing import Final

from flux.treeobj import hash_of, is_blobref
from flux.wire.message import NORESPONSE, Message, response

ATTRIBUTE: Final = "attr.get"
STORES: Final = ("content.store", "content-backing.store")
TOPICS: Final = frozenset((ATTRIBUTE, *STORES))
"""The requests to tell of."""
NAMED: Final = b'"content.hash"'
KNOWN_MAX: Final = 1000
"""Clients of one connection that are remembered, the last ones."""
SHORT: Final = 64
"""Bytes that a request for an attribute of this name has at most."""
RESTORE: Final = b"restore"
_PROGRAM: Final = b"flux"


def is_restore(pid: int) -> bool:
    """Whether a process of this machine is ``flux restore``, not one of ours, which is a program of
    Python and takes both answers.
    """
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            program, *words = file.read(4096).split(b"\0")
    except OSError:
        return False
    return os.path.basename(program).removeprefix(b"lt-") == _PROGRAM and RESTORE in words


class AnsweredHashes:
    """What one client, the process ``pid``, has asked; true while answers to it are to be
    changed.
    """

    def __init__(self, pid: int = 0) -> None:
        self._pid = pid
        self._know_hash: dict[tuple[str, ...], None] = {}
        self._stores: set[tuple[int, tuple[str, ...]]] = set()

    def __bool__(self) -> bool:
        return bool(self._stores)

    def asked(self, msg: Message) -> None:
        """The client sends a request, one of those of `TOPICS`."""
        if msg.topic == ATTRIBUTE:
            payload = msg.payload or b""
            if len(payload) <= SHORT and NAMED in payload:
                self._know_hash[tuple(msg.routes)] = None
                if len(self._know_hash) > KNOWN_MAX:
                    del self._know_hash[next(iter(self._know_hash))]
        elif self._knows_hash(msg) and not msg.flags & NORESPONSE:
            self._stores.add((msg.aux2, tuple(msg.routes)))

    def _knows_hash(self, msg: Message) -> bool:
        if self._pid and not msg.routes:
            pid, self._pid = self._pid, 0
            if is_restore(pid):
                self._know_hash[()] = None
        return tuple(msg.routes) in self._know_hash

    def answered(self, msg: Message) -> Message:
        """Return what the client gets for a response."""
        if msg.topic not in STORES:
            return msg
        key = (msg.aux2, tuple(msg.routes))
        if key not in self._stores:
            return msg
        self._stores.discard(key)
        if msg.aux1:
            return msg
        blobref = (msg.payload or b"").rstrip(b"\0").decode("ascii", "replace")
        if not is_blobref(blobref):
            return response(msg, "the store names no blob", errnum=errno.EPROTO)
        return Message(
            msg.type,
            msg.topic,
            hash_of(blobref),
            flags=msg.flags,
            userid=msg.userid,
            rolemask=msg.rolemask,
            aux2=msg.aux2,
            routes=msg.routes,
        )
