"""Files whose pieces are content: which they are, and where a blob is in them.

A file is known by its path and the hashes of its pieces. It is opened when one of them is asked
for, and what it has then is given out only if it still has that hash: there is no limit to how many
there are, and a file that was changed, replaced or truncated is an error for who reads, never other
bytes.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flux import treeobj
from flux.filearchive.regions import pieces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

CHANGED: Final = "mapped file content has changed"
PIECES_MAX: Final = 1 << 20
"""Pieces of one file; more of them than bytes would be held of it in memory."""
_STEP: Final = 1 << 20
"""Bytes that are hashed at once."""


@dataclass(frozen=True, slots=True)
class Piece:
    """``size`` bytes of a file from ``offset``, whose blobref is ``ref``."""

    ref: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True, eq=False)
class MappedFile:
    """A file and its pieces; of those with the same content, the first."""

    path: str
    pieces: tuple[Piece, ...]


class FileIndex:
    """The files that are mapped, by tag, and where each blob is."""

    def __init__(self) -> None:
        self._tags: dict[str, list[MappedFile]] = {}
        self._places: dict[str, list[tuple[MappedFile, Piece]]] = {}

    def __contains__(self, ref: object) -> bool:
        return ref in self._places

    def add(self, tag: str, file: MappedFile) -> None:
        """Have ``file`` mapped until `remove` of ``tag``."""
        self._tags.setdefault(tag, []).append(file)
        for piece in file.pieces:
            self._places.setdefault(piece.ref, []).append((file, piece))

    def remove(self, tag: str) -> None:
        """Forget the files of ``tag``; there need not be any."""
        gone = set(self._tags.pop(tag, ()))
        for ref in {piece.ref for file in gone for piece in file.pieces}:
            left = [place for place in self._places[ref] if place[0] not in gone]
            if left:
                self._places[ref] = left
            else:
                del self._places[ref]

    def places(self, ref: str) -> tuple[tuple[str, Piece], ...]:
        """Return the path of each file that has a blob, and where in it."""
        return tuple((file.path, piece) for file, piece in self._places.get(ref, ()))

    def stats(self) -> dict[str, object]:
        """Return the paths by tag, and how many blobs there are."""
        tags = {tag: [file.path for file in files] for tag, files in self._tags.items()}
        return {"tags": tags, "blobs": len(self._places)}


def map_file(
    path: str, chunk: int, algorithm: str, limit: int, stopped: Callable[[], bool]
) -> MappedFile:
    """Return a file with its pieces of ``chunk`` bytes, hashed by ``algorithm``.

    Raises OSError with a sentence: EINVAL for what is no regular file, or has no data, EFBIG for
    pieces of more than ``limit`` bytes, ECANCELED as soon as ``stopped`` tells so.
    """
    fd = _open(path)
    try:
        size = os.fstat(fd).st_size
        found: dict[str, Piece] = {}
        for count, (offset, length) in enumerate(pieces(fd, size, chunk)):
            if length > limit:
                raise OSError(errno.EFBIG, f"{path}: pieces of {length} bytes are too large")
            if count >= PIECES_MAX:
                raise OSError(errno.EINVAL, f"{path}: more than {PIECES_MAX} pieces")
            ref = _hashed(fd, Piece("", offset, length), algorithm, path, stopped)
            found.setdefault(ref, Piece(ref, offset, length))
    finally:
        os.close(fd)
    if not found:
        raise OSError(errno.EINVAL, f"{path}: not suitable for mapping")
    return MappedFile(path, tuple(found.values()))


def _open(path: str) -> int:
    """Open a regular file, without waiting for what is none."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.EINVAL, f"{path}: not suitable for mapping") from None
        reason = os.strerror(error.errno or 0)
        raise OSError(error.errno, f"{path}: {reason}") from None
    except ValueError:
        raise OSError(errno.EINVAL, "path has a NUL character") from None
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode):
        return fd
    os.close(fd)
    kind = "not suitable for mapping" if stat.S_ISDIR(mode) else "unsupported file type"
    raise OSError(errno.EINVAL, f"{path}: {kind}")


def _hashed(fd: int, piece: Piece, algorithm: str, path: str, stopped: Callable[[], bool]) -> str:
    digest = hashlib.new(algorithm, usedforsecurity=False)
    end = piece.offset + piece.size
    for offset in range(piece.offset, end, _STEP):
        if stopped():
            raise OSError(errno.ECANCELED, f"{path}: was unmapped before it was mapped")
        length = min(_STEP, end - offset)
        data = _read(fd, length, offset)
        if len(data) < length:
            raise OSError(errno.EINVAL, f"{path}: {CHANGED}")
        digest.update(data)
    return f"{algorithm}-{digest.hexdigest()}"


def _read(fd: int, size: int, offset: int) -> bytes:
    """Return ``size`` bytes, fewer at the end of the file."""
    data = os.pread(fd, size, offset)
    while len(data) < size and (more := os.pread(fd, size - len(data), offset + len(data))):
        data += more
    return data


def read_blob(places: Iterable[tuple[str, Piece]]) -> bytes:
    """Return a blob from the first of ``places`` that still has it; raises OSError with a sentence
    if none has.
    """
    failed = OSError(errno.ENOENT, "the file is not mapped any more")
    for path, piece in places:
        try:
            fd = _open(path)
            try:
                data = _read(fd, piece.size, piece.offset)
            finally:
                os.close(fd)
        except OSError as error:
            failed = error
            continue
        if treeobj.blobref(data, piece.ref.partition("-")[0]) == piece.ref:
            return data
        failed = OSError(errno.EINVAL, CHANGED)
    raise failed
