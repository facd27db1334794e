"""Who a handle's messages say they are from: FLUX_HANDLE_USERID and FLUX_HANDLE_ROLEMASK.

A broker fills in the credentials that a message does not carry. It believes those of the instance
owner's messages only, so an owner can try what a guest may do.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from flux.wire.message import ROLE_NONE, USERID_UNKNOWN

if TYPE_CHECKING:
    from flux.wire.message import Message


class Credentials:
    """The user id and role mask (RFC 12) that messages without their own are sent with."""

    __slots__ = ("rolemask", "userid")

    def __init__(self, userid: int, rolemask: int) -> None:
        self.userid = userid
        self.rolemask = rolemask

    def stamp(self, msg: Message) -> None:
        """Put them on a message where it has none."""
        if msg.userid == USERID_UNKNOWN:
            msg.userid = self.userid
        if msg.rolemask == ROLE_NONE:
            msg.rolemask = self.rolemask


def from_environment() -> Credentials | None:
    """Return the credentials that the environment asks for, None if it does not; raises
    OSError(EINVAL) if a variable is not a number of 32 bits.
    """
    userid = _number("FLUX_HANDLE_USERID")
    rolemask = _number("FLUX_HANDLE_ROLEMASK")
    if userid is None and rolemask is None:
        return None
    return Credentials(
        USERID_UNKNOWN if userid is None else userid, ROLE_NONE if rolemask is None else rolemask
    )


def _number(name: str) -> int | None:
    """Return a variable's number: decimal, hexadecimal after 0x, octal after 0."""
    text = os.environ.get(name)
    if not text:
        return None
    try:
        number = int(text, 8) if text.startswith("0") and text.isdecimal() else int(text, 0)
    except ValueError:
        number = -1
    if not 0 <= number <= USERID_UNKNOWN:
        raise OSError(errno.EINVAL, f"{name} is not a number of 32 bits: {text}")
    return number
