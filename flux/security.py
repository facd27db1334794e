"""Signing of jobspecs: the ``none`` mechanism of flux-security (RFC 15).

A signed payload is ``HEADER.PAYLOAD.SIGNATURE``: header and payload in base64, the signature as
text. The header is a list of NUL-terminated keys and typed values; the mechanism ``none`` has the
signature ``none``. It proves nothing by itself: the broker trusts the user id of the socket's peer
and only checks that the header agrees with it.
"""

from __future__ import annotations

import binascii
import errno
import os
from base64 import b64decode, b64encode
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_SIGNATURE = b"none"
_VERSION = 1


@lru_cache(maxsize=8)
def _header(userid: int) -> bytes:
    fields = f"version\0i{_VERSION}\0userid\0i{userid}\0mechanism\0snone\0"
    return b64encode(fields.encode("ascii")) + b"."


def sign(payload: bytes, userid: int | None = None) -> bytes:
    """Wrap a payload, usually the JSON of a jobspec, with the mechanism ``none``: a statement of
    the user id without proof. ``userid`` is the user that signs, by default the effective user of
    this process.
    """
    return (
        _header(os.geteuid() if userid is None else userid) + b64encode(payload) + b"." + _SIGNATURE
    )


@lru_cache(maxsize=64)
def _fields(encoded: bytes) -> Mapping[str, int | str]:
    """Return the fields of a header, which is the same for all jobs of a user; raises ValueError if
    it is malformed.
    """
    parts = b64decode(encoded, validate=True).decode("utf-8").split("\0")
    if len(parts) % 2 == 0 or parts[-1]:
        raise ValueError("truncated header")
    fields: dict[str, int | str] = {}
    for key, typed in zip(parts[:-1:2], parts[1::2], strict=True):
        kind, value = typed[:1], typed[1:]
        fields[key] = int(value) if kind in ("i", "b") else value
    return fields


def unwrap(signed: bytes | str) -> tuple[bytes, int]:
    """Return the payload that was wrapped with the mechanism ``none`` and the user id that its
    header names. Raises OSError(EINVAL) if the wrapping is malformed, of another version, or made
    by another mechanism.
    """
    data = signed.encode("ascii", "replace") if isinstance(signed, str) else signed
    parts = data.split(b".")
    if len(parts) != 3:
        raise OSError(
            errno.EINVAL, "sign-unwrap: input must have the form HEADER.PAYLOAD.SIGNATURE"
        )
    try:
        fields = _fields(parts[0])
        payload = b64decode(parts[1], validate=True)
    except (binascii.Error, ValueError):
        raise OSError(errno.EINVAL, "sign-unwrap: the header or the payload is malformed") from None
    version, mechanism, userid = (
        fields.get("version"),
        fields.get("mechanism"),
        fields.get("userid"),
    )
    if version != _VERSION:
        raise OSError(errno.EINVAL, f"sign-unwrap: header version={version} not supported")
    if mechanism != "none" or parts[2] != _SIGNATURE:
        raise OSError(errno.EINVAL, f"sign-unwrap: mechanism {mechanism} not supported")
    if not isinstance(userid, int):
        raise OSError(errno.EINVAL, "sign-unwrap: header userid missing")
    return payload, userid


def wrapped(signed: str) -> bytes:
    """Return the payload in what somebody has unwrapped before; raises ValueError if that cannot
    be.
    """
    parts = signed.split(".")
    if len(parts) != 3:
        raise ValueError("not HEADER.PAYLOAD.SIGNATURE")
    return b64decode(parts[1], validate=True)


class SecurityContext:
    """The signing interface of the manual (flux.security); only the mechanism ``none`` exists here.

    ``config_pattern`` and ``flags`` are kept and change nothing: there is nothing to configure.
    """

    def __init__(self, config_pattern: str | None = None, flags: int = 0) -> None:
        self.config_pattern = config_pattern
        self.flags = flags

    def sign_wrap(self, payload: bytes | str, mech_type: object = None, flags: int = 0) -> bytes:
        """Return `payload` signed by the current user; OSError(EINVAL) for a mechanism other than
        none.
        """
        return self.sign_wrap_as(os.geteuid(), payload, mech_type, flags)

    def sign_wrap_as(
        self, userid: int, payload: bytes | str, mech_type: object = None, flags: int = 0
    ) -> bytes:
        """Return `payload` signed as `userid`; OSError(EINVAL) for a mechanism other than none."""
        if mech_type not in (None, "none", b"none"):
            raise OSError(errno.EINVAL, f"sign-wrap: mechanism {mech_type} not supported")
        return sign(payload.encode("utf-8") if isinstance(payload, str) else payload, userid)

    def sign_unwrap(self, signed_payload: bytes | str, flags: int = 0) -> tuple[bytes, int]:
        """Return payload and signing user id; OSError(EINVAL) for a malformed signature."""
        return unwrap(signed_payload)
