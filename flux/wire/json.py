"""JSON for message payloads: orjson, with the standard library for what orjson refuses.

orjson refuses lone surrogates, which appear when an environment variable or a file name is not valid UTF-8, and integers beyond
64 bits. Both are rare, so the slow path is only tried after the fast one failed.
"""

from __future__ import annotations

import json as _json
from typing import Any

import orjson


def dumps(obj: Any) -> bytes:
    """Return ``obj`` as compact JSON bytes; raises TypeError for a value JSON cannot hold."""
    try:
        # A copy: orjson leaves its working buffer of 4 KiB attached to short results.
        return bytes(memoryview(orjson.dumps(obj)))
    except TypeError:
        return _json.dumps(obj, separators=(",", ":")).encode("ascii")


def dumps_str(obj: Any) -> str:
    """Return ``obj`` as compact JSON text."""
    return dumps(obj).decode("utf-8")


def loads(text: bytes | bytearray | memoryview | str) -> Any:
    """Parse one JSON value; raises ValueError for anything else."""
    try:
        return orjson.loads(text)
    except ValueError:
        if isinstance(text, str):
            return _json.loads(text)
        return _json.loads(bytes(text).decode("utf-8"))
