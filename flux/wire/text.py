"""Text that programs may give as bytes: topics, keys, names, ids (the bindings of flux-core take
either).
"""

from __future__ import annotations

import errno
from typing import TypeAlias

Text: TypeAlias = str | bytes
"""Text, or its bytes in UTF-8."""


def as_text(value: Text, what: str) -> str:
    """Return ``value`` as text; bytes that are not UTF-8 become lone surrogates (PEP 383).

    ``what`` names the argument in errors: OSError(EINVAL) for None, TypeError for anything else
    that is neither text nor bytes.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if value is None:
        raise OSError(errno.EINVAL, f"{what} must not be None")
    raise TypeError(f"{what} must be a string or bytes, not {type(value).__name__}")


def as_optional_text(value: Text | None, what: str) -> str | None:
    """Return what `as_text` does, and None for None."""
    return None if value is None else as_text(value, what)
