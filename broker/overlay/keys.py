"""CURVE keys of a broker and the check of its peers' keys (ZeroMQ's ZAP, RFC 27 of ZeroMQ)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import zmq
from msgspec import Struct
from zmq.utils import z85

if TYPE_CHECKING:
    from collections.abc import MutableMapping

KEYS: Final = "FLUX_START_KEYS"
"""Variable by which ``flux start`` gives a broker its keys, and where it is to listen."""


class KeyPair(Struct, frozen=True):
    """A CURVE key pair in Z85 text, 40 characters each."""

    public: str
    secret: str

    @classmethod
    def generate(cls) -> KeyPair:
        """Return a new pair."""
        public, secret = zmq.curve_keypair()
        return cls(public.decode(), secret.decode())


def take_keys(environ: MutableMapping[str, str]) -> tuple[KeyPair, str | None]:
    """Return the keys that ``flux start`` made for this broker, or new ones, and the endpoint that
    was promised to others, None if there was no need to. They leave the environment.
    """
    public, _, rest = environ.pop(KEYS, "").partition(" ")
    secret, _, endpoint = rest.partition(" ")
    if not secret:
        return KeyPair.generate(), None
    return KeyPair(public, secret), endpoint or None


class Authenticator:
    """Decides which public keys may connect; unknown ones are refused."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def allow(self, public: str, name: str) -> None:
        """Let the holder of ``public`` connect, under ``name``."""
        self._names[public] = name

    def decide(self, frames: list[bytes]) -> tuple[list[bytes], str | None]:
        """Answer one ZAP request; returns the reply's frames and the name of the peer, None if it
        is refused.
        """
        name = None
        request_id = frames[1] if len(frames) > 1 else b""
        if (
            len(frames) == 7
            and frames[0] == b"1.0"
            and frames[5] == b"CURVE"
            and len(frames[6]) == 32
        ):
            name = self._names.get(z85.encode(frames[6]).decode())
        if name is None:
            return [b"1.0", request_id, b"400", b"unknown key", b"", b""], None
        return [b"1.0", request_id, b"200", b"OK", name.encode(), b""], name
