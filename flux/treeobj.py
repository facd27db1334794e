"""RFC 11 tree objects and RFC 10 blobrefs, the data structures the key-value store is made of.

A tree object is a JSON object with ``ver``, ``type`` and ``data``. The functions here build, check
and decode them. Objects are built with their names in alphabetical order, so that compact JSON of a
directory whose entries are sorted is canonical: equal directories get equal blobrefs.
"""

from __future__ import annotations

import errno
import hashlib
import re
from typing import TYPE_CHECKING, Any, Final

from flux.b64 import b64decode as b64decode
from flux.b64 import b64encode as b64encode
from flux.kvs_limits import TREEOBJ_DEPTH, check_namespace, check_target, is_text
from flux.wire.json import JsonMapping, JsonObject

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TreeObj = JsonObject

VERSION: Final = 1
DEFAULT_HASH: Final = "sha1"
HASHES: Final[Mapping[str, int]] = {"sha1": 40, "sha256": 64}
_BLOBREF: Final = re.compile(
    "|".join(f"{name}-[0-9a-f]{{{size}}}" for name, size in HASHES.items())
).fullmatch
_TYPES: Final = frozenset(("val", "valref", "dir", "dirref", "symlink"))


def blobref(data: bytes, algorithm: str = DEFAULT_HASH) -> str:
    """Return the RFC 10 blobref of ``data``, for example ``sha1-f572d396…``."""
    return f"{algorithm}-{hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()}"


def is_blobref(text: object) -> bool:
    """Tell whether ``text`` has the form of a blobref of a known hash algorithm."""
    return isinstance(text, str) and _BLOBREF(text) is not None


def hash_of(blobref: str) -> bytes:
    """Return the bytes of the hash that a blobref names."""
    return bytes.fromhex(blobref.partition("-")[2])


def requested_blobref(payload: bytes | None) -> str:
    """Return the blobref that a request to load a blob names: as text, with or without a final NUL,
    or, as today's programs do, by the bytes of its hash, which are fewer than any text has.

    What is neither is returned as text; `is_blobref` tells.
    """
    data = payload or b""
    for name, digits in HASHES.items():
        if len(data) * 2 == digits:
            return f"{name}-{data.hex()}"
    return data.removesuffix(b"\0").decode("utf-8", "replace")


def is_hash(payload: bytes | None) -> bool:
    """Whether a request to load a blob names it by the bytes of its hash."""
    return len(payload or b"") * 2 in HASHES.values()


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
    """Return a *symlink* object to ``target``, in its own namespace unless ``namespace`` names
    another.
    """
    data = {"target": target} if namespace is None else {"namespace": namespace, "target": target}
    return {"data": data, "type": "symlink", "ver": VERSION}


def decode_val(obj: JsonMapping) -> bytes:
    """Return the bytes of a *val* object; raises OSError(EINVAL) for another type or bad base64."""
    if obj.get("type") != "val":
        raise OSError(errno.EINVAL, f"tree object of type {obj.get('type')} is not a value")
    try:
        return b64decode(obj["data"])
    except (KeyError, TypeError, ValueError) as exc:
        raise OSError(errno.EINVAL, "tree object holds invalid base64") from exc


def check(obj: object) -> TreeObj:
    """Return ``obj`` as a canonical tree object, names sorted on every level.

    Raises OSError(EINVAL) with a sentence if it is not a valid RFC 11 object or nested too deep,
    ENAMETOOLONG for a link's target.
    """
    return _check(obj, 1)


def _check(obj: object, depth: int) -> TreeObj:
    kind, data = _parts(obj, depth)
    if kind == "val":
        try:
            b64decode(data)
        except ValueError as exc:
            raise OSError(errno.EINVAL, "val object holds invalid base64") from exc
    elif kind == "dir":
        if not all(map(_is_name, data)):
            raise OSError(errno.EINVAL, "invalid data in dir object")
        data = {name: _check(data[name], depth + 1) for name in sorted(data)}
    elif kind == "symlink":
        namespace = data.get("namespace")
        check_target(data["target"])
        if namespace is not None:
            check_namespace(namespace)
        names = ("namespace", "target") if namespace is not None else ("target",)
        data = {name: data[name] for name in names}
    else:
        data = list(data)
    return {"data": data, "type": kind, "ver": VERSION}


def check_entries(entries: object) -> dict[str, TreeObj]:
    """Return the entries of a stored directory as they are, each known to be a tree object whose
    parts have the right types.

    Raises OSError(EINVAL) with a sentence if one is not, or nested too deep. Base64 text is not
    looked at.
    """
    if not isinstance(entries, dict):
        raise OSError(errno.EINVAL, "invalid data in dir object")
    _check_stored(entries, 1)
    return entries


def _check_stored(entries: JsonObject, depth: int) -> None:
    for obj in entries.values():
        kind, data = _parts(obj, depth)
        if kind == "dir":
            _check_stored(data, depth + 1)


def _parts(obj: object, depth: int) -> tuple[str, Any]:
    """Return type and data of a tree object, the data of the right type; raises OSError(EINVAL)."""
    if depth > TREEOBJ_DEPTH:
        raise OSError(errno.EINVAL, f"tree objects are nested at most {TREEOBJ_DEPTH} deep")
    if not isinstance(obj, dict) or obj.get("ver") != VERSION:
        raise OSError(errno.EINVAL, "not a version 1 tree object")
    kind, data = obj.get("type"), obj.get("data")
    if not isinstance(kind, str) or kind not in _TYPES:
        raise OSError(errno.EINVAL, "unknown type of tree object")
    if kind == "val":
        good = isinstance(data, str)
    elif kind in ("valref", "dirref"):
        good = isinstance(data, list) and bool(data) and all(map(is_blobref, data))
    elif kind == "dir":
        good = isinstance(data, dict)
    else:
        good = (
            isinstance(data, dict)
            and isinstance(data.get("target"), str)
            and bool(data["target"])
            and isinstance(data.get("namespace"), str | None)
        )
    if not good:
        raise OSError(errno.EINVAL, f"invalid data in {kind} object")
    return kind, data


def _is_name(name: object) -> bool:
    return (
        isinstance(name, str)
        and bool(name)
        and "." not in name
        and "\0" not in name
        and is_text(name)
    )
