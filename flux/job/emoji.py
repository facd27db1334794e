"""The ``emoji`` encoding of job ids: base 576, a picture for each digit (RFC 19).

The pictures, that of 0 first, are in ``emoji.json``; they are read on first use.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from flux.wire import json

_LIST = "emoji.json"


@lru_cache(maxsize=1)
def _pictures() -> tuple[str, dict[str, int]]:
    found: list[str] = json.loads(Path(__file__).with_name(_LIST).read_bytes())["emoji"]
    pictures = "".join(found)
    return pictures, {picture: digit for digit, picture in enumerate(pictures)}


def encode(value: int) -> str:
    """Return an integer that is not negative as pictures, the most significant first."""
    pictures, _ = _pictures()
    text = ""
    while value or not text:
        value, digit = divmod(value, len(pictures))
        text = pictures[digit] + text
    return text


def decode(text: str) -> int:
    """Return the integer of some pictures; KeyError if one is none of them."""
    pictures, digits = _pictures()
    value = 0
    for picture in text:
        value = value * len(pictures) + digits[picture]
    return value
