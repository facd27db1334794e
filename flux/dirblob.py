"""Directories as blobs, whole or in parts (RFC 11).

A *dirref* may name several blobs whose concatenation is the *dir* object. The key-value store
splits large directories so that each part can be read alone: the first has the head of the object
and some entries, the others begin with a comma, the last closes the object.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final, NamedTuple

from flux import treeobj
from flux.treeobj import TreeObj
from flux.wire import json

if TYPE_CHECKING:
    from collections.abc import Iterable

Entries = dict[str, TreeObj]
HEAD: Final = b'{"data":{'
TAIL: Final = b'},"type":"dir","ver":1}'


def parse(ref: str, blob: bytes) -> Entries:
    """Return the entries of a directory blob, whole or part; raises OSError(EINVAL) if it is
    neither.
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
        if isinstance(obj, dict) and obj.get("type", "dir") == "dir":
            try:
                return treeobj.check_entries(obj.get("data"))
            except OSError:
                break
    raise OSError(errno.EINVAL, f"{ref} does not hold a KVS directory")


class References(NamedTuple):
    """The blobs that tree objects refer to, directories and values apart."""

    directories: list[str]
    values: list[str]


def references(objects: Iterable[TreeObj]) -> References:
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
