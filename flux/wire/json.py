"""JSON as it travels in payloads (RFC 8259): one decoder and one encoder, the same in client and
broker.

What may come in, and what goes out:

- nesting up to `DEPTH_MAX` levels is read; more is refused, so that whatever was read can be sent
  again inside a few levels of somebody else's;
- integers of 64 bits are exact; a larger one is read as a double, as other languages' parsers do,
  and is refused for sending;
- ``NaN`` and ``Infinity`` are not JSON and are refused; a Python nan or infinity is sent as null;
- of a name that stands twice in an object the last value counts;
- text is Unicode. The escapes U+DC80 to U+DCFF stand for bytes that are not UTF-8 (PEP 383: an
  environment variable, a file name) and go both ways; any other lone surrogate is refused.

orjson does the work and never sees those escapes: text that holds one is rewritten first, with an
escape character that cannot be mistaken. There is no second parser with rules of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import accumulate
from typing import Any, Final

import orjson

DEPTH_MAX: Final = 200
#: Text up to this length has not the brackets for more levels.
_SHALLOW: Final = 2 * DEPTH_MAX
_PASSES: Final = 12
#: Levels that orjson writes.
_WRITE_DEPTH_MAX: Final = 253

# In rewritten text U+10FFFD and two hexadecimal digits stand for one undecodable byte, and with 00
# for the character itself, so that the rewriting can always be undone.
_MARK: Final = "\U0010fffd"
_MARK_BYTES: Final = _MARK.encode()
_ESCAPES: Final = re.compile(
    rb"(?P<mark>" + _MARK_BYTES + rb"|\\u[dD][bB][fF]{2}\\u[dD][fF]{2}[dD])"
    rb"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|\\u[dD][cC](?P<byte>[89a-fA-F][0-9a-fA-F])"
    rb"|\\.",
    re.DOTALL,
)
_LONE: Final = re.compile(rb"\\u[dD][cC][89a-fA-F]")
_REWRITTEN: Final = re.compile(_MARK + "([0-9a-f]{2})")
_REWRITTEN_BYTES: Final = re.compile(_MARK_BYTES + rb"([0-9a-f]{2})")
_SPECIAL: Final = re.compile(f"[\udc80-\udcff{_MARK}]")
_STRINGS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NOT_BRACKETS: Final = bytes(code for code in range(256) if code not in b"[]{}")
_STEP: Final = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


class JSONDecodeError(ValueError):
    """The text is not JSON, or not within the bounds; the text of the exception says why."""


class JSONEncodeError(TypeError):
    """The value cannot be written as JSON; the text of the exception says why."""


JsonObject = dict[str, Any]
"""An object as it was decoded: whoever reads a member decides what it must be."""

JsonMapping = Mapping[str, Any]
"""The same for those who only read it."""


def dumps(obj: object) -> bytes:
    """Return ``obj`` as compact JSON; raises `JSONEncodeError`."""
    try:
        # A copy: orjson leaves its working buffer of 4 KiB attached to short results.
        return bytes(memoryview(orjson.dumps(obj)))
    except TypeError:
        pass
    try:
        text = orjson.dumps(_plain(obj, 0))
    except TypeError as exc:
        raise JSONEncodeError(str(exc)) from None
    return _REWRITTEN_BYTES.sub(_escape, text)


def dumps_str(obj: object) -> str:
    """Return ``obj`` as compact JSON text; raises `JSONEncodeError`."""
    return dumps(obj).decode()


def loads(text: bytes | bytearray | memoryview | str) -> Any:
    """Return the one JSON value ``text`` holds; raises `JSONDecodeError`."""
    try:
        value = orjson.loads(text)
    except ValueError as exc:
        raw = _bytes(text)
        if not _LONE.search(raw):
            raise JSONDecodeError(_reason(exc)) from None
        value = _loads_rewritten(raw)
    if len(text) > _SHALLOW and _too_deep(text):
        raise JSONDecodeError(f"nested deeper than {DEPTH_MAX} levels")
    return value


def _reason(exc: ValueError) -> str:
    text = str(exc)
    return "not valid UTF-8" if "UTF-8" in text else text


def _bytes(text: bytes | bytearray | memoryview | str) -> bytes:
    return text.encode("utf-8", "replace") if isinstance(text, str) else bytes(text)


def _too_deep(text: bytes | bytearray | memoryview | str) -> bool:
    """Tell whether brackets nest too deep in text that is known to be JSON.

    Only text with many brackets is looked at closely, and strings are only told apart from the
    rest when brackets in them could make the difference.
    """
    raw = text.encode() if isinstance(text, str) else bytes(text)
    if raw.count(b"[") + raw.count(b"{") <= DEPTH_MAX or not _may_be_deep(raw):
        return False
    return _depth(_STRINGS.sub(b"", raw)) > DEPTH_MAX


def _may_be_deep(raw: bytes) -> bool:
    """Tell whether the brackets do not all vanish when the innermost pairs are removed again and
    again.
    """
    brackets = raw.translate(None, _NOT_BRACKETS)
    for _ in range(_PASSES):
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    return True


def _depth(raw: bytes) -> int:
    brackets = raw.translate(None, _NOT_BRACKETS)
    return max(accumulate(map(_STEP.__getitem__, brackets)), default=0)


def _loads_rewritten(raw: bytes) -> Any:
    try:
        value = orjson.loads(_ESCAPES.sub(_rewrite, raw))
    except ValueError as exc:
        raise JSONDecodeError(_reason(exc)) from None
    if len(raw) > _SHALLOW and _too_deep(raw):
        raise JSONDecodeError(f"nested deeper than {DEPTH_MAX} levels")
    return _restored(value)


def _rewrite(match: re.Match[bytes]) -> bytes:
    if match["mark"] is not None:
        return _MARK_BYTES + b"00"
    if match["byte"] is not None:
        return _MARK_BYTES + match["byte"].lower()
    return match[0]


def _restored(value: object) -> object:
    """Undo `_rewrite` in a value that was read."""
    if isinstance(value, str):
        return _REWRITTEN.sub(_unmark, value) if _MARK in value else value
    if isinstance(value, list):
        return [_restored(item) for item in value]
    if isinstance(value, dict):
        return {_restored(name): _restored(item) for name, item in value.items()}
    return value


def _unmark(match: re.Match[str]) -> str:
    return _MARK if match[1] == "00" else chr(0xDC00 + int(match[1], 16))


def _plain(value: object, depth: int) -> object:
    """Return ``value`` made of the types that orjson writes, undecodable bytes rewritten."""
    if isinstance(value, str):
        return _SPECIAL.sub(_mark, value)
    if isinstance(value, dict | list | tuple):
        if depth >= _WRITE_DEPTH_MAX:
            raise JSONEncodeError(f"nested deeper than {_WRITE_DEPTH_MAX} levels")
        if isinstance(value, dict):
            return {_name(name): _plain(item, depth + 1) for name, item in value.items()}
        return [_plain(item, depth + 1) for item in value]
    return float(value) if isinstance(value, float) else value


def _name(name: object) -> str:
    """Return an object's name as text; numbers, booleans and None are written as their JSON."""
    if isinstance(name, str):
        return _SPECIAL.sub(_mark, name)
    if name is None or isinstance(name, bool | int | float):
        return orjson.dumps(name).decode()
    raise JSONEncodeError(f"a name in an object cannot be of type {type(name).__name__}")


def _mark(match: re.Match[str]) -> str:
    character = match[0]
    return f"{_MARK}00" if character == _MARK else f"{_MARK}{ord(character) - 0xDC00:02x}"


def _escape(match: re.Match[bytes]) -> bytes:
    return _MARK_BYTES if match[1] == b"00" else b"\\udc" + match[1]
