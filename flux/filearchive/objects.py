"""File system objects of an archive (RFC 37), without I/O.

An archive is a JSON array of objects with a ``path``, or a JSON object of them by path. Whatever is
wrong with one is an OSError(EINVAL) that names it.
"""

from __future__ import annotations

import errno
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from flux.b64 import b64decode, b64encode
from flux.wire import json

if TYPE_CHECKING:
    from flux.wire.json import JsonMapping, JsonObject

PERMISSIONS: Final = 0o777
"""The bits of a mode that are kept; those that lend a user's rights are not."""
DEFAULT_PERMISSIONS: Final = 0o600
"""Those of data that comes from no file."""
NAME_BYTES: Final = 255
"""Bytes in a part of a path, as Linux has them."""
BASE64: Final = "base64"
"""The encoding of content that is no text (RFC 37)."""
SIZE_MAX: Final = (1 << 63) - 1
"""Bytes in a file, as off_t(3type) has them."""


@dataclass(frozen=True, slots=True)
class Region:
    """``size`` bytes of a file from ``offset``: the blob ``blobref``."""

    offset: int
    size: int
    blobref: str


@dataclass(frozen=True, slots=True)
class ArchivedFile:
    """A file of ``size`` bytes: its content, or where that is; between regions are zeros."""

    path: str
    mode: int
    size: int
    content: bytes | tuple[Region, ...]


@dataclass(frozen=True, slots=True)
class ArchivedDirectory:
    """A directory, whose entries are objects of their own."""

    path: str
    mode: int


@dataclass(frozen=True, slots=True)
class ArchivedLink:
    """A symbolic link to ``target``."""

    path: str
    target: str


FileObject: TypeAlias = ArchivedFile | ArchivedDirectory | ArchivedLink


def wrong(path: str, text: str) -> OSError:
    """Return the error of the object at ``path``."""
    return OSError(errno.EINVAL, f"{path}: {text}")


def safe_path(path: object) -> str:
    """Return a path in the form that stays below the directory where an archive is unpacked: parts
    joined by single slashes, none of them ``.`` or ``..``.

    Raises OSError(EINVAL) for a path that begins with a slash, has a part ``..``, names nothing,
    or is no text that a file system takes.
    """
    if not isinstance(path, str):
        raise OSError(errno.EINVAL, "a path is a string")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/") or ".." in parts:
        raise wrong(path, "leads out of the directory that it is unpacked in")
    if not parts:
        raise wrong(path or '""', "names no file")
    if not (_is_text(path) and all(len(part.encode()) <= NAME_BYTES for part in parts)):
        raise wrong(repr(path[:NAME_BYTES]), "is no name of a file")
    return "/".join(parts)


def _is_text(text: str) -> bool:
    """Return whether a system call takes a text."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def parse_archive(value: object) -> list[FileObject]:
    """Return the objects of an archive in their order."""
    if isinstance(value, dict):
        return [parse_object(one, path) for path, one in value.items()]
    if isinstance(value, list):
        return [parse_object(one) for one in value]
    raise OSError(errno.EINVAL, "an archive is a JSON array or object")


def parse_object(value: object, path: str | None = None) -> FileObject:
    """Return the object that a JSON object is, its path given apart or in it."""
    if not isinstance(value, dict):
        raise wrong(path or "archive", "a file is a JSON object")
    name = safe_path(value.get("path") if path is None else path)
    mode = value.get("mode")
    if type(mode) is not int or mode < 0:
        raise wrong(name, "its mode is missing, or no number")
    match stat.S_IFMT(mode):
        case stat.S_IFREG:
            return _regular(name, mode & PERMISSIONS, value)
        case stat.S_IFDIR:
            return ArchivedDirectory(name, mode & PERMISSIONS)
        case stat.S_IFLNK:
            return ArchivedLink(name, _target(name, value.get("data")))
    raise wrong(name, f"unknown file type (mode={mode:04o})")


def _target(path: str, data: object) -> str:
    if not isinstance(data, str) or not data or not _is_text(data):
        raise wrong(path, "a symbolic link has a target")
    return data


def _regular(path: str, mode: int, value: JsonMapping) -> ArchivedFile:
    encoding, data, size = value.get("encoding"), value.get("data"), value.get("size")
    if encoding is None and data is not None:
        text = json.dumps(data)
        return ArchivedFile(path, mode, len(text), text)
    if size is None and encoding in ("utf-8", BASE64):
        # The data has it, too: scripts of batch jobs come without.
        content = _content(path, encoding, data, 0)
        return ArchivedFile(path, mode, len(content), content)
    if type(size) is not int or not 0 <= size <= SIZE_MAX:
        raise wrong(path, "its size is missing, or no number of bytes")
    if encoding is None:
        return ArchivedFile(path, mode, size, ())
    content = _content(path, encoding, data, size)
    if isinstance(content, bytes) and len(content) != size:
        raise wrong(path, f"has {len(content)} bytes instead of {size}")
    return ArchivedFile(path, mode, size, content)


def _content(path: str, encoding: object, data: object, size: int) -> bytes | tuple[Region, ...]:
    try:
        if encoding == BASE64 and isinstance(data, str):
            return b64decode(data)
        match encoding, data:
            case "utf-8", str():
                return data.encode("utf-8")
            case "blobvec", list():
                return _regions(path, data, size)
    except ValueError as error:
        raise wrong(path, f"is no {encoding}: {error}") from None
    if encoding in ("utf-8", BASE64, "blobvec"):
        raise wrong(path, f"its data is not in the form of {encoding}")
    raise wrong(path, f"unknown RFC 37 encoding {str(encoding)[:100]}")


def _regions(path: str, data: list[object], size: int) -> tuple[Region, ...]:
    found: list[Region] = []
    end = 0
    for one in data:
        match one:
            case [int(offset), int(length), str(ref)] if end <= offset and length > 0:
                end = offset + length
                found.append(Region(offset, length, ref))
            case _:
                raise wrong(path, "regions are [offset, size, blobref], one after the other")
    if end > size:
        raise wrong(path, f"a region goes beyond its {size} bytes")
    return tuple(found)


def text_or_base64(data: bytes) -> JsonObject:
    """Return ``size``, ``encoding`` and ``data`` of a file whose content is in the object."""
    if not data:
        return {"size": 0}
    try:
        return {"size": len(data), "encoding": "utf-8", "data": data.decode("utf-8")}
    except UnicodeDecodeError:
        return {"size": len(data), "encoding": BASE64, "data": b64encode(data)}


def data_object(data: bytes, permissions: int = DEFAULT_PERMISSIONS) -> JsonObject:
    """Return the object of a regular file with the content ``data``, without a path."""
    return {"mode": stat.S_IFREG | permissions, **text_or_base64(data)}
