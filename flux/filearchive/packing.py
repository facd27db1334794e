"""Makes the objects of an archive (RFC 37) from files."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Final

from flux.filearchive.objects import text_or_base64
from flux.filearchive.regions import CHUNK, data_runs, pieces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from flux.wire.json import JsonObject

    Store = Callable[[bytes], str]

INLINE_MAX: Final = 4096
"""Bytes of a file up to which its content stands in its object."""


def pack(
    paths: Iterable[str], store: Store, mapped: Callable[[str], None] | None = None
) -> Iterator[JsonObject]:
    """Yield the objects of files, links and directories with all that is in them; ``store`` keeps
    a blob and returns its blobref. A path's leading slashes are dropped.

    With ``mapped``, content stays in its file: ``store`` only tells the blobref, the pieces are
    those that the broker maps the file in, and ``mapped`` is called with the path of each file that
    it has to map.

    Raises OSError, which names the file, for one that cannot be read or whose kind has no place in
    an archive.
    """
    waiting = [*reversed(list(paths))]
    while waiting:
        path = waiting.pop()
        found = os.lstat(path)
        name = _name(path)
        if stat.S_ISDIR(found.st_mode):
            if name:
                yield _object(name, found)
            waiting += sorted(
                (os.path.join(path, entry) for entry in os.listdir(path)), reverse=True
            )
        elif stat.S_ISLNK(found.st_mode):
            yield {**_object(name, found), "data": os.readlink(path)}
        elif stat.S_ISREG(found.st_mode):
            yield {**_object(name, found), **_content(path, store, mapped)}
        else:
            raise OSError(errno.EINVAL, f"{path}: unsupported file type")


def _name(path: str) -> str:
    """Return the path that a file has in the archive, "" for the directory itself."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        shown = path.encode("utf-8", "backslashreplace").decode()
        raise OSError(errno.EILSEQ, f"{shown}: its name is not UTF-8") from None
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise OSError(errno.EINVAL, f"{path}: leads out of the directory, which -C can name")
    return "/".join(parts)


def _object(name: str, found: os.stat_result) -> JsonObject:
    return {
        "path": name,
        "mode": found.st_mode,
        "mtime": int(found.st_mtime),
        "ctime": int(found.st_ctime),
    }


def _content(path: str, store: Store, mapped: Callable[[str], None] | None) -> JsonObject:
    with open(path, "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        if size <= INLINE_MAX:
            return text_or_base64(file.read())
        parts = (
            _regions(file.fileno(), size) if mapped is None else pieces(file.fileno(), size, CHUNK)
        )
        regions = [
            [offset, len(data), store(data)]
            for offset, length in parts
            if (data := _read(file.fileno(), path, offset, length))
        ]
    if not regions:
        return {"size": size}
    if mapped is not None:
        mapped(path)
    return {"size": size, "encoding": "blobvec", "data": regions}


def _read(fd: int, path: str, offset: int, length: int) -> bytes:
    data = b""
    while len(data) < length:
        more = os.pread(fd, length - len(data), offset + len(data))
        if not more:
            raise OSError(errno.EIO, f"{path}: has become shorter meanwhile")
        data += more
    return data


def _regions(fd: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield offset and length of the parts of a file that hold data, in pieces.

    Each is long enough to be a blob of its own in the key-value store, which keeps the shortest
    values elsewhere: a short one begins in the hole before it, and the last of several is longer.
    """
    end = 0
    for run, hole in data_runs(fd, size):
        start = max(end, min(run, hole - INLINE_MAX))
        end = hole
        while hole - start >= 2 * CHUNK:
            yield start, CHUNK
            start += CHUNK
        yield start, hole - start
