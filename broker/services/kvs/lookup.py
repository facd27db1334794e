"""Finding a key in the hash tree: a walk over cached objects that says what it misses.

The walk never waits. When an object is not in the cache it raises `Missing`; whoever drives it
loads the objects and walks again.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from broker.services.kvs.directory import Missing, all_entries, one_entry
from flux import treeobj
from flux.kvs_limits import GUEST_VALUE_BYTES, VALUE_BYTES, check_depth, check_key, check_value
from flux.kvs_txn import READDIR, READLINK, TREEOBJ
from flux.wire.errors import errnum_of, os_error
from flux.wire.message import ROLE_OWNER

if TYPE_CHECKING:
    from broker.services.kvs.cache import ObjectCache
    from flux.treeobj import TreeObj

SYMLINK_DEPTH: Final = 10
Roots = Callable[[str], str]


def components(key: str) -> list[str]:
    """Return the path components of ``key``; none for the root directory, ``.``. Leading, repeated
    and trailing periods mean nothing.
    """
    path = key.split(".")
    return path if all(path) else [name for name in path if name]


def resolve(
    cache: ObjectCache, root: TreeObj, key: str, roots: Roots, *, follow: bool
) -> TreeObj | None:
    """Return the object at ``key`` under the directory ``root``, None if there is none.

    ``roots`` gives the root blobref of the namespace a symlink names. The last component is only
    followed, if it is a symlink, when ``follow``. Raises `Missing`, OSError: ELOOP after ten
    symlinks, EINVAL or ENAMETOOLONG for a key beyond the bounds, and whatever ``roots`` raises.
    """
    check_key(key)
    path = components(key)
    depth = 0
    while True:
        entry = root
        last = len(path) - 1
        for index, name in enumerate(path):
            found = one_entry(entry, name, cache.directory)
            if found is None:
                return None
            entry = found
            if entry["type"] == "symlink" and (follow or index < last):
                depth += 1
                if depth > SYMLINK_DEPTH:
                    raise os_error(errno.ELOOP)
                link = entry["data"]
                if link.get("namespace") is not None:
                    root = treeobj.dirref(roots(link["namespace"]))
                path = components(link["target"]) + path[index + 1 :]
                check_depth(len(path))
                break
        else:
            return entry


def value_limit(rolemask: int) -> int:
    """Return how many bytes a value may have for a user with these roles to read it."""
    return VALUE_BYTES if rolemask & ROLE_OWNER else GUEST_VALUE_BYTES


def read_value(cache: ObjectCache, refs: list[str], limit: int = VALUE_BYTES) -> bytes:
    """Return the concatenation of the blobs ``refs``.

    Raises `Missing` with all that are not at hand, OSError(EFBIG) if there are more than ``limit``
    bytes.
    """
    found = {ref: cache.value(ref) for ref in refs}
    missing = [ref for ref, blob in found.items() if blob is None]
    if missing:
        raise Missing(missing, directory=False)
    blobs = [found[ref] or b"" for ref in refs]
    check_value(sum(map(len, blobs)), limit)
    return b"".join(blobs)


def lookup(
    cache: ObjectCache, root: TreeObj, key: str, flags: int, roots: Roots, limit: int = VALUE_BYTES
) -> TreeObj:
    """Return what a lookup of ``key`` with ``flags`` answers (flux_kvs_lookup(3)).

    Raises `Missing` and OSError: ENOENT, EISDIR, ENOTDIR, EINVAL (READLINK of something else),
    ELOOP, EFBIG for a value of more than ``limit`` bytes, and as `resolve` does.
    """
    if not key:
        raise os_error(errno.EINVAL)
    entry = resolve(cache, root, key, roots, follow=not flags & (READLINK | TREEOBJ))
    if entry is None:
        raise os_error(errno.ENOENT)
    return present(cache, entry, flags, limit)


def present(cache: ObjectCache, entry: TreeObj, flags: int, limit: int = VALUE_BYTES) -> TreeObj:
    """Return ``entry`` in the form ``flags`` ask for; raises as `lookup` does."""
    kind = entry["type"]
    if flags & READLINK:
        if kind != "symlink":
            raise os_error(errno.EINVAL)
        return entry
    if flags & TREEOBJ:
        return entry
    if flags & READDIR:
        entries = all_entries(entry, cache.directory)
        if entries is None:
            raise os_error(errno.ENOTDIR)
        return treeobj.directory(entries)
    if kind == "val":
        return entry
    if kind == "valref":
        return treeobj.val(read_value(cache, entry["data"], limit))
    raise os_error(errno.EISDIR)


class Position:
    """How much of a growing value a watcher has seen: blobs, the last of them, and bytes."""

    __slots__ = ("last", "length", "refs")

    def __init__(self, refs: int = 0, last: str = "", length: int = 0) -> None:
        self.refs = refs
        self.last = last
        self.length = length

    @classmethod
    def of(cls, obj: object) -> Position:
        """Return the position that a request carries; raises OSError(EPROTO) if it is malformed."""
        match obj:
            case {"refs": int(refs), "last": str(last), "length": int(length)}:
                return cls(refs, last, length)
        raise os_error(errno.EPROTO)

    def to_json(self) -> dict[str, object]:
        """Return the position as JSON."""
        return {"refs": self.refs, "last": self.last, "length": self.length}


def read_from(
    cache: ObjectCache, entry: TreeObj, seen: Position, limit: int = VALUE_BYTES
) -> tuple[bytes, Position]:
    """Return the bytes of a value beyond ``seen`` and the new position.

    Blobs seen before are not read again. Raises `Missing`, OSError(EISDIR) for a directory, EINVAL
    if the value has become shorter, EFBIG if more than ``limit`` bytes are to be read.
    """
    kind = entry["type"]
    if kind == "val":
        data, refs = treeobj.decode_val(entry), []
    elif kind == "valref":
        refs = entry["data"]
        if 0 < seen.refs <= len(refs) and refs[seen.refs - 1] == seen.last:
            tail = read_value(cache, refs[seen.refs :], limit)
            return tail, Position(len(refs), refs[-1], seen.length + len(tail))
        data = read_value(cache, refs, limit)
    else:
        present(cache, entry, 0)
        raise os_error(errno.EINVAL)
    if len(data) < seen.length:
        raise OSError(errno.EINVAL, "watched value has become shorter")
    return data[seen.length :], Position(len(refs), refs[-1] if refs else "", len(data))


def look_item(
    cache: ObjectCache, root: TreeObj, item: object, roots: Roots, limit: int
) -> dict[str, object]:
    """Do one look-up of many, {key, flags, seen?}; returns {val, seen?} or {errnum}. Raises
    `Missing`.
    """
    try:
        match item:
            case {"key": str(key), "flags": int(flags), **others}:
                seen = others.get("seen")
            case _:
                raise os_error(errno.EPROTO)
        if seen is None or flags & TREEOBJ:
            return {"val": lookup(cache, root, key, flags, roots, limit)}
        entry = resolve(cache, root, key, roots, follow=True)
        if entry is None:
            raise os_error(errno.ENOENT)
        data, position = read_from(cache, entry, Position.of(seen), limit)
        return {"val": treeobj.val(data), "seen": position.to_json()}
    except OSError as exc:
        return {"errnum": errnum_of(exc)}
