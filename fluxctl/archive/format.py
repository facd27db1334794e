"""How a tree of RFC 11 objects is laid out in a tar archive.

Each key is a member whose path has the components of the key: a regular file with a value's bytes,
a symbolic link for a *symlink*, an empty folder for an empty directory; directories with something
in them are not members. ``tar`` shows and unpacks such an archive. What a plain file cannot say is
in the pax record ``comment``, a JSON object with:

- ``key``, the key, where a component holds a slash, which the path has as ``%2F``;
- ``blobs``, the sizes of the blobs of a *valref*, where it is not one blob too long for a *val*;
- ``namespace``, the one a *symlink* leads to;
- in that of the first member, the folder ``.``, ``flux``, the version of this format, with
  ``rootref`` and ``sequence`` of the root that was dumped.
"""

from __future__ import annotations

import errno
import tarfile
from typing import TYPE_CHECKING, Final

from flux.wire import json
from flux.wire.json import dumps_str

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flux.wire.json import JsonObject

COMMENT: Final = "comment"
VERSION: Final = 1
ROOT: Final = "."
INLINE_MAX: Final = 54
"""Bytes in the longest value that stays in its directory."""

_SUFFIXES: Final = {
    ".gz": "gz",
    ".tgz": "gz",
    ".bz2": "bz2",
    ".tbz": "bz2",
    ".tbz2": "bz2",
    ".xz": "xz",
    ".txz": "xz",
}


def compression(name: str) -> str:
    """Return tarfile's word for the compression that a file name asks for, empty for none."""
    return next((word for suffix, word in _SUFFIXES.items() if name.endswith(suffix)), "")


def member(path: list[str], time: float) -> tarfile.TarInfo:
    """Return the member for a key, a regular file until told otherwise; ``time`` is in seconds
    since the epoch.
    """
    info = tarfile.TarInfo("/".join(name.replace("/", "%2F") for name in path))
    info.mode, info.mtime = 0o600, int(time)
    if any("/" in name for name in path):
        note(info, key=".".join(path))
    return info


def root_member(rootref: str, sequence: int, time: float) -> tarfile.TarInfo:
    """Return the first member, which tells where the archive comes from."""
    info = member([ROOT], time)
    info.type, info.mode = tarfile.DIRTYPE, 0o700
    note(info, flux=VERSION, rootref=rootref, sequence=sequence)
    return info


def note(info: tarfile.TarInfo, **facts: object) -> None:
    """Add facts to the record of a member."""
    info.pax_headers = {COMMENT: dumps_str({**facts_of(info.pax_headers), **facts})}


def facts_of(headers: Mapping[str, str]) -> JsonObject:
    """Return the facts in pax records; none if the comment is of someone else."""
    try:
        facts = json.loads(headers.get(COMMENT, "{}"))
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}


def key_of(info: tarfile.TarInfo) -> str:
    """Return the key of a member; raises OSError(EINVAL) if its path cannot be one."""
    key = facts_of(info.pax_headers).get("key")
    if key is not None:
        if not isinstance(key, str) or not all(key.split(".")):
            raise OSError(errno.EINVAL, f"{key!r} in the archive is no key")
        return key
    names = info.name.removeprefix("./").rstrip("/").split("/")
    for name in names:
        if name in ("", ".", ".."):
            raise OSError(errno.EINVAL, f"{info.name!r} in the archive leads out of it")
        if "." in name:
            raise OSError(
                errno.EINVAL,
                f"{info.name!r} in the archive has a dot, which no key can have in a component",
            )
    return ".".join(names)


def forget_members(archive: tarfile.TarFile) -> None:
    """Have ``archive`` forget the members it has read or written.

    It keeps them all, some 2 KB each, for look-ups that an archive read in one go has no use for.
    From Python 3.13 on the ``stream`` of a `tarfile.TarFile` asks for just that; until then its
    list is emptied from outside.
    """
    archive.members.clear()  # type: ignore[attr-defined]
