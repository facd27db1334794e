"""Error responses as Python exceptions and back."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from flux.wire.message import Message


OWNER_ONLY: Final = "Request requires owner credentals"
"""What a user who is not the instance owner is told; flux-core 0.29 spells it so."""


def error_of(msg: Message) -> OSError:
    """Return the error a response carries: its number, and its text or the system's words for the
    number.
    """
    text = msg.text() if msg.payload else ""
    return OSError(msg.aux1, text or os.strerror(msg.aux1))


def errnum_of(exc: OSError) -> int:
    """Return the error number to answer for ``exc``; EINVAL when it has none."""
    return exc.errno if isinstance(exc.errno, int) and exc.errno > 0 else errno.EINVAL


def text_of(exc: OSError) -> str | None:
    """Return the sentence of ``exc``, or None when it only repeats its error number."""
    text = exc.strerror or (
        str(exc.args[0]) if exc.args and not isinstance(exc.args[0], int) else None
    )
    if text is None or text == os.strerror(errnum_of(exc)):
        return None
    return text


def may_be_unknown(errnum: int | None) -> bool:
    """Whether a broker that answers this may not know the request: guests are told of one that it
    does not know what they are told of one that they may not send.
    """
    return errnum in (errno.ENOSYS, errno.EPERM)


def os_error(errnum: int) -> OSError:
    """Return an error that says no more than its number does, in the system's words."""
    return OSError(errnum, os.strerror(errnum))
