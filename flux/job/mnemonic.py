"""The ``words`` encoding of job ids: mnemonicode, three pronounceable words for every four bytes
(RFC 19).

The word list is Oren Tirosh's, with its notice, in ``mnemonic_words.json``; it is read on first
use.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from flux.wire import json

_BASE = 1626
_LIST = "mnemonic_words.json"


@lru_cache(maxsize=1)
def _words() -> tuple[list[str], dict[str, int]]:
    words: list[str] = json.loads(Path(__file__).with_name(_LIST).read_bytes())["words"][:_BASE]
    return words, {word: index for index, word in enumerate(words)}


def encode(value: int) -> str:
    """Return a 64-bit integer as six words: the low four bytes, two dashes, the high four bytes."""
    words, _ = _words()
    groups = []
    for block in (value & 0xFFFFFFFF, value >> 32):
        low, rest = block % _BASE, block // _BASE
        groups.append("-".join((words[low], words[rest % _BASE], words[rest // _BASE])))
    return "--".join(groups)


def decode(text: str) -> int:
    """Return the integer of six words; ValueError if a word is unknown or the shape is wrong."""
    _, index_of = _words()
    groups = text.split("--")
    if len(groups) != 2:
        raise ValueError(f"{text}: malformed input")
    value = 0
    for shift, group in enumerate(groups):
        names = group.split("-")
        if len(names) != 3 or any(name not in index_of for name in names):
            raise ValueError(f"{text}: malformed input")
        low, middle, high = (index_of[name] for name in names)
        block = low + _BASE * (middle + _BASE * high)
        if block > 0xFFFFFFFF:
            raise ValueError(f"{text}: malformed input")
        value |= block << (32 * shift)
    return value
