"""RFC 11 tree objects and RFC 10 blobrefs, the data structures the key-value store is made of.

A tree object is a JSON object with ``ver``, ``type`` and ``data``. The functions here build, check and decode them. Objects are
built with their names in alphabetical order, so that compact JSON of a directory whose entries are sorted is canonical: equal
directories get equal blobrefs.
"""

from __future__ import annotations

import errno
import hashlib
from binascii import Error as _Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable, Mapping
from typing import Any, Final

TreeObj = dict[str, Any]

VERSION: Final = 1
DEFAULT_HASH: Final = "sha1"
HASHES: Final[Mapping[str, int]] = {"sha1": 40, "sha256": 64}
_TYPES: Final = frozenset(("val", "valref", "dir", "dirref", "symlink"))


def blobref(data: bytes, algorithm: str = DEFAULT_HASH) -> str:
    """Return the RFC 10 blobref of ``data``, for example ``sha1-f572d396…``."""
    return f"{algorithm}-{hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()}"


def is_blobref(text: object) -> bool:
    """Tell whether ``text`` has the form of a blobref of a known hash algorithm."""
    if not isinstance(text, str):
        return False
    algorithm, dash, digest = text.partition("-")
    return bool(dash) and len(digest) == HASHES.get(algorithm, -1) and not digest.strip("0123456789abcdef")


def b64encode(data: bytes) -> str:
    """Return ``data`` as base64 text without line breaks."""
    return b2a_base64(data, newline=False).decode("ascii")


def b64decode(text: str) -> bytes:
    """Return the bytes ``text`` stands for; raises ValueError if it is not base64."""
    try:
        return a2b_base64(text, strict_mode=True)
    except _Base64Error as exc:
        raise ValueError(str(exc)) from exc


def val(data: bytes) -> TreeObj:
    """Return a *val* object holding ``data``."""
    return {"data": b64encode(data), "type": "val", "ver": VERSION}


def valref(refs: Iterable[str]) -> TreeObj:
    """Return a *valref* object: the value is the concatenation of the blobs ``refs``."""
    return {"data": list(refs), "type": "valref", "ver": VERSION}


def dirref(ref: str) -> TreeObj:
    """Return a *dirref* object for the directory stored as blob ``ref``."""
    return {"data": [ref], "type": "dirref", "ver": VERSION}


def directory(entries: Mapping[str, TreeObj] | None = None) -> TreeObj:
    """Return a *dir* object with ``entries`` (not copied), empty by default."""
    return {"data": {} if entries is None else entries, "type": "dir", "ver": VERSION}


def symlink(target: str, namespace: str | None = None) -> TreeObj:
    """Return a *symlink* object to ``target``, in its own namespace unless ``namespace`` names another."""
    data = {"target": target} if namespace is None else {"namespace": namespace, "target": target}
    return {"data": data, "type": "symlink", "ver": VERSION}


def decode_val(obj: Mapping[str, Any]) -> bytes:
    """Return the bytes of a *val* object; raises OSError(EINVAL) for another type or bad base64."""
    if obj.get("type") != "val":
        raise OSError(errno.EINVAL, f"tree object of type {obj.get('type')} is not a value")
    try:
        return b64decode(obj["data"])
    except (KeyError, TypeError, ValueError) as exc:
        raise OSError(errno.EINVAL, "tree object holds invalid base64") from exc


def check(obj: object) -> TreeObj:
    """Return ``obj`` as a canonical tree object, names sorted on every level.

    Raises OSError(EINVAL) with a sentence if it is not a valid RFC 11 object.
    """
    if not isinstance(obj, dict) or obj.get("ver") != VERSION:
        raise OSError(errno.EINVAL, "not a version 1 tree object")
    kind = obj.get("type")
    if kind not in _TYPES or "data" not in obj:
        raise OSError(errno.EINVAL, f"unknown tree object type {kind!r}")
    return {"data": _check_data(str(kind), obj["data"]), "type": kind, "ver": VERSION}


def _check_data(kind: str, data: Any) -> Any:
    if kind == "val":
        if isinstance(data, str):
            try:
                b64decode(data)
            except ValueError as exc:
                raise OSError(errno.EINVAL, "val object holds invalid base64") from exc
            return data
    elif kind in ("valref", "dirref"):
        if isinstance(data, list) and data and all(map(is_blobref, data)):
            return list(data)
    elif kind == "dir":
        if isinstance(data, dict) and all(_is_name(name) for name in data):
            return {name: check(data[name]) for name in sorted(data)}
    elif isinstance(data, dict) and isinstance(data.get("target"), str) and data["target"]:
        names = ("namespace", "target") if data.get("namespace") is not None else ("target",)
        if all(isinstance(data[name], str) for name in names):
            return {name: data[name] for name in names}
    raise OSError(errno.EINVAL, f"invalid data in {kind} object")


def _is_name(name: object) -> bool:
    return isinstance(name, str) and bool(name) and "." not in name
