"""Job ids as people read them: F58, the base-58 form of RFC 19."""

from __future__ import annotations

from typing import Final

ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
PREFIX: Final = "\u0192"
_VALUE: Final = {char: i for i, char in enumerate(ALPHABET)}


def f58(jobid: int, ascii_only: bool = False) -> str:
    """Return ``jobid`` in F58, with the prefix ``f`` instead of the florin sign if ``ascii_only``."""
    digits: list[str] = []
    rest = jobid
    while rest:
        rest, digit = divmod(rest, 58)
        digits.append(ALPHABET[digit])
    return ("f" if ascii_only else PREFIX) + ("".join(reversed(digits)) or ALPHABET[0])


def parse(text: str) -> int | None:
    """Return the id written as F58, decimal or 0x hexadecimal, or None if ``text`` is none of them."""
    if text.isdecimal():
        return int(text)
    if text.lower().startswith("0x"):
        try:
            return int(text, 16)
        except ValueError:
            return None
    if text[:1] not in (PREFIX, "f") or len(text) < 2:
        return None
    value = 0
    for char in text[1:]:
        digit = _VALUE.get(char)
        if digit is None:
            return None
        value = value * 58 + digit
    return value
