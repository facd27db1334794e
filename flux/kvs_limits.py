"""The bounds of the key-value store, and the checks of names that hold them.

The kvs module refuses what is beyond a bound with ENAMETOOLONG, EFBIG or EINVAL and a sentence;
clients check names before they ask. Keys, names of namespaces and fences, and targets of links are
text that UTF-8 can hold, without NUL. A bound that keeps a tree shallow is also what lets every
reader of it get by without deep recursion.
"""

from __future__ import annotations

import errno
from typing import Final

KEY_BYTES: Final = 4096
"""Bytes in a key, and in the target of a link, encoded in UTF-8."""

KEY_DEPTH: Final = 256
"""Components in a key, and in the key that links lead a commit to."""

TREEOBJ_DEPTH: Final = 32
"""Tree objects within tree objects: directories that are given, or stored, with their entries in
line.
"""

NAME_BYTES: Final = 255
"""Bytes in the name of a namespace or of a fence, encoded in UTF-8."""

FENCE_PROCS: Final = 1 << 20
"""Participants in a fence."""

OPEN_FENCES: Final = 4096
"""Fences of one namespace that wait for participants."""

BATCH_OPS: Final = 1 << 16
"""Operations after which transactions that wait are left for the next batch of their namespace."""

VALUE_BYTES: Final = 1 << 29
"""Bytes in a value that a look-up puts together, so that its base64 text fits in a message."""

GUEST_VALUE_BYTES: Final = 1 << 24
"""The same for a user who does not own the instance: a value may name one blob many times, and
costs its reader all of them.
"""


def check_key(key: str) -> None:
    """Raise OSError(ENAMETOOLONG) if ``key`` is too long or too deep, EINVAL if it is not text that
    UTF-8 can hold.
    """
    if len(key) < KEY_DEPTH and key.isascii() and "\0" not in key:
        return  # which is the rule, and quick to tell
    _check_text(key, "key", KEY_BYTES)
    check_depth(key.count(".") + 1)


def check_depth(components: int) -> None:
    """Raise OSError(ENAMETOOLONG) if a key of so many components is too deep."""
    if components > KEY_DEPTH:
        raise OSError(errno.ENAMETOOLONG, f"a key has at most {KEY_DEPTH} components")


def check_target(target: str) -> None:
    """Raise OSError, as `check_key` does, if a link may not lead to ``target``."""
    _check_text(target, "target of a link", KEY_BYTES)
    check_depth(target.count(".") + 1)


def check_namespace(name: str) -> None:
    """Raise OSError if no namespace can be called ``name``.

    ENAMETOOLONG if it is too long; EINVAL if it is empty or has characters that cannot be printed,
    spaces included.
    """
    _check_text(name, "name of a namespace", NAME_BYTES)
    if not name or not name.isprintable() or " " in name:
        raise OSError(
            errno.EINVAL, "the name of a namespace consists of printable characters without spaces"
        )


def check_fence(name: str, nprocs: int) -> None:
    """Raise OSError(EINVAL) for a count of participants out of range, ENAMETOOLONG or EINVAL for a
    bad name.
    """
    _check_text(name, "name of a fence", NAME_BYTES)
    if not 1 <= nprocs <= FENCE_PROCS:
        raise OSError(errno.EINVAL, f"a fence has 1 to {FENCE_PROCS} participants")


def check_value(size: int, limit: int) -> None:
    """Raise OSError(EFBIG) if a value of ``size`` bytes is larger than ``limit``."""
    if size > limit:
        raise OSError(errno.EFBIG, f"a value has at most {limit} bytes")


def is_text(text: str) -> bool:
    """Tell whether UTF-8 can hold ``text``: no half of a surrogate pair is in it."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_text(text: str, what: str, limit: int) -> None:
    size = len(text)
    if size <= limit and not text.isascii():
        if not is_text(text):
            raise OSError(errno.EINVAL, f"the {what} is not valid UTF-8")
        size = len(text.encode())
    if size > limit:
        raise OSError(errno.ENAMETOOLONG, f"the {what} has at most {limit} bytes")
    if "\0" in text:
        raise OSError(errno.EINVAL, f"the {what} holds a NUL")
