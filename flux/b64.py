"""Base64 (RFC 4648) as the protocol uses it: one line, padded, and nothing else accepted.

Apart from `flux.treeobj` because that needs hash functions too, which are slow to import.
"""

from __future__ import annotations

from binascii import Error, a2b_base64, b2a_base64


def b64encode(data: bytes) -> str:
    """Return ``data`` as base64 text without line breaks."""
    return b2a_base64(data, newline=False).decode("ascii")


def b64decode(text: str) -> bytes:
    """Return the bytes ``text`` stands for; raises ValueError if it is not base64."""
    try:
        return a2b_base64(text, strict_mode=True)
    except Error as exc:
        raise ValueError(str(exc)) from exc
    except TypeError:
        raise TypeError(f"base64 text must be a string, not {type(text).__name__}") from None
