"""Directories as blobs, whole or hashed (RFC 11).

A small directory is a *dir* object in one blob. A large one is an *hdir*: a fixed number of
buckets, each a *dirref* to a *dir* with the entries whose names hash to it, or to another *hdir*
that goes on with the next bits of the hash. ``func`` is ``crc32/N``: a name is in bucket
``crc32(name) // N % size``, the CRC taken of its UTF-8.

Stores of version 0.1.0 have large directories in parts: a *dirref* names several blobs whose
concatenation is the *dir* object, the first with its head and some entries, the others beginning
with a comma, the last closing it. They are read.
"""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING, Final, NamedTuple
from zlib import crc32

from flux import treeobj
from flux.treeobj import TreeObj
from flux.wire import json

if TYPE_CHECKING:
    from collections.abc import Iterable

Entries = dict[str, TreeObj]
"""What is in a directory by name, or in a bucket of one."""
HASH_SPACE: Final = 1 << 32
_FUNC: Final = re.compile(r"crc32/([1-9][0-9]{0,9})").fullmatch
HEAD: Final = b'{"data":{'
TAIL: Final = b'},"type":"dir","ver":1}'


class Buckets(Entries):
    """A hashed directory: the *dirref* of each bucket that is not empty, by its number as text.

    A name is in bucket ``hash // divisor % size``.
    """

    __slots__ = ("divisor", "size")

    def __init__(self, refs: dict[int, str], divisor: int, size: int) -> None:
        super().__init__((str(index), treeobj.dirref(ref)) for index, ref in sorted(refs.items()))
        self.divisor = divisor
        self.size = size

    def refs(self) -> dict[int, str]:
        """Return the blob of each bucket that is not empty."""
        return {int(index): obj["data"][0] for index, obj in self.items()}

    def bucket_of(self, name: str) -> str | None:
        """Return the blob of the bucket that ``name`` is in, None if that is empty."""
        obj = self.get(str(name_hash(name) // self.divisor % self.size))
        return None if obj is None else obj["data"][0]

    def blob(self) -> bytes:
        """Return the *hdir* object."""
        data = {
            "bucket": [self.get(str(index)) for index in range(self.size)],
            "func": f"crc32/{self.divisor}",
            "size": self.size,
        }
        return json.dumps({"data": data, "type": "hdir", "ver": treeobj.VERSION})


def name_hash(name: str) -> int:
    """Return the 32-bit hash that tells the bucket of an entry."""
    return crc32(name.encode("utf-8", "surrogatepass"))


def check_below(above: Buckets, entries: Entries) -> None:
    """Raise OSError(EINVAL) unless what is in a bucket of ``above`` goes on where that ends, which
    also says that hashed directories are not nested without end.
    """
    if isinstance(entries, Buckets) and entries.divisor != above.divisor * above.size:
        raise OSError(errno.EINVAL, "a hashed directory does not go on with the hash it is in")


def parse(ref: str, blob: bytes) -> Entries:
    """Return the entries of a directory blob, or of a part of one; `Buckets` for a hashed one.

    Raises OSError(EINVAL) if it is none of them.
    """
    if blob.startswith(HEAD):
        candidates = [blob, blob + b"}}"]
    elif blob.startswith(b","):
        candidates = [HEAD + blob[1:] + b"}}"]
    else:
        candidates = [blob if blob and blob != TAIL else HEAD + b"}}"]
    for text in candidates:
        try:
            obj = json.loads(text)
        except ValueError:
            continue
        if isinstance(obj, dict):
            try:
                if obj.get("type", "dir") == "dir":
                    return treeobj.check_entries(obj.get("data"))
                if obj["type"] == "hdir" and obj.get("ver") == treeobj.VERSION:
                    return _buckets(obj.get("data"))
            except OSError:
                break
    raise OSError(errno.EINVAL, f"{ref} does not hold a KVS directory")


def _buckets(data: object) -> Buckets:
    """Return the buckets of an *hdir* object; raises OSError(EINVAL) if they are malformed."""
    match data:
        case {"size": int(size), "func": str(func), "bucket": list(found)} if len(found) == size:
            divisor = _FUNC(func)
            step = int(divisor[1]) if divisor else HASH_SPACE
            if size > 1 and step * size <= HASH_SPACE:
                filled = {str(index): obj for index, obj in enumerate(found) if obj is not None}
                checked = treeobj.check_entries(filled)
                if all(
                    obj["type"] == "dirref" and len(obj["data"]) == 1 for obj in checked.values()
                ):
                    refs = {int(index): obj["data"][0] for index, obj in checked.items()}
                    return Buckets(refs, step, size)
    raise OSError(errno.EINVAL, "not a hashed directory")


class References(NamedTuple):
    """The blobs that tree objects refer to, directories and values apart."""

    directories: list[str]
    values: list[str]


def references(objects: Iterable[TreeObj | None]) -> References:
    """Return what ``objects``, and those within them, refer to directly, in any order and with
    repeats; values that are not tree objects (RFC 11) refer to nothing.
    """
    found = References([], [])
    pending = list(objects)
    while pending:
        obj = pending.pop()
        kind, data = (obj.get("type"), obj.get("data")) if isinstance(obj, dict) else (None, None)
        if kind == "dir" and isinstance(data, dict):
            pending.extend(data.values())
        elif kind in ("dirref", "valref") and isinstance(data, list):
            (found.directories if kind == "dirref" else found.values).extend(data)
    return found


def references_of(ref: str, blob: bytes) -> References:
    """Return what a directory blob, or a part of one, refers to, without checking more of it than
    that takes. Raises OSError(EINVAL) if it is none of them.
    """
    try:
        obj = json.loads(blob)
    except ValueError:
        obj = None
    data = obj.get("data") if isinstance(obj, dict) else None
    if isinstance(data, dict) and obj.get("type") == "dir":
        return references(data.values())
    if isinstance(data, dict) and obj.get("type") == "hdir":
        bucket = data.get("bucket")
        return references(bucket if isinstance(bucket, list) else ())
    return references(parse(ref, blob).values())
