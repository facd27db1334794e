"""Writing a tree to an archive, one value after the other: memory holds a directory's part and the
largest blob.
"""

from __future__ import annotations

import io
import tarfile
import tempfile
from typing import IO, TYPE_CHECKING

from flux import dirblob
from flux.treeobj import TreeObj, decode_val
from fluxctl.archive import format as layout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fluxctl.archive.blobs import Blobs, Progress, Unread

SPOOL_BYTES = 8 << 20


class Dump:
    """Writes the tree under a root to ``archive``; ``progress`` is called with each key written.
    With ``unread`` what cannot be read is told there and left out, a directory as if it were empty.
    """

    def __init__(
        self,
        blobs: Blobs,
        archive: tarfile.TarFile,
        time: float,
        progress: Progress,
        unread: Unread | None = None,
    ) -> None:
        self._blobs = blobs
        self._archive = archive
        self._time = time
        self._progress = progress
        self._unread = unread
        self._reading: list[str] = []
        self.keys = 0

    def write(self, rootref: str, sequence: int) -> None:
        """Write everything under the root of version ``sequence``; raises OSError if part of it
        cannot be read and nobody is told of that.
        """
        self._archive.addfile(layout.root_member(rootref, sequence, self._time))
        path: list[str] = []
        stack = [self._entries({"type": "dirref", "data": [rootref]})]
        while stack:
            self._reading = path
            found = next(stack[-1], None)
            if found is None:
                stack.pop()
                if path:
                    path.pop()
                continue
            name, obj = found
            self._reading = [*path, name]
            if obj["type"] not in ("dir", "dirref"):
                self._leaf([*path, name], obj)
                continue
            entries = self._entries(obj)
            first = next(entries, None)
            if first is None:
                self._add([*path, name], tarfile.DIRTYPE)
            else:
                path.append(name)
                stack.append(_again(first, entries))

    def _entries(self, obj: TreeObj) -> Iterator[tuple[str, TreeObj]]:
        if obj["type"] == "dir":
            yield from obj["data"].items()
            return
        for ref in obj["data"]:
            yield from self._stored(ref, None)

    def _stored(self, ref: str, above: dirblob.Buckets | None) -> Iterator[tuple[str, TreeObj]]:
        """Yield the entries of a directory's blob, bucket by bucket if it is a hashed one."""
        try:
            (blob,) = self._blobs.load([ref])
            entries = dirblob.parse(ref, blob)
            if above is not None:
                dirblob.check_below(above, entries)
        except OSError as exc:
            self._leave_out(exc)
            return
        if not isinstance(entries, dirblob.Buckets):
            yield from entries.items()
            return
        for bucket in entries.refs().values():
            yield from self._stored(bucket, entries)

    def _leaf(self, path: list[str], obj: TreeObj) -> None:
        kind, data = obj["type"], obj["data"]
        if kind == "symlink":
            info = self._info(path, tarfile.SYMTYPE)
            info.linkname = data["target"]
            if data.get("namespace") is not None:
                layout.note(info, namespace=data["namespace"])
            self._write(path, info)
        elif kind == "val":
            content = decode_val(obj)
            self._value(path, io.BytesIO(content), len(content))
        else:
            self._blobs_of(path, data)

    def _leave_out(self, exc: OSError) -> None:
        """Tell that what is being read cannot be; raises ``exc`` if nobody is told."""
        if self._unread is None:
            raise exc
        self._unread(".".join(self._reading) or ".", exc)

    def _blobs_of(self, path: list[str], refs: list[str]) -> None:
        with tempfile.SpooledTemporaryFile(SPOOL_BYTES) as spool:
            sizes = []
            blobs = self._blobs.load(refs)
            while True:
                try:
                    blob = next(blobs, None)
                except OSError as exc:
                    self._leave_out(exc)
                    return
                if blob is None:
                    break
                sizes.append(len(blob))
                spool.write(blob)
            spool.seek(0)
            plain = len(sizes) == 1 and sizes[0] > layout.INLINE_MAX
            self._value(path, spool, sum(sizes), None if plain else sizes)

    def _value(
        self, path: list[str], content: IO[bytes], size: int, blobs: list[int] | None = None
    ) -> None:
        info = self._info(path, tarfile.REGTYPE)
        info.size = size
        if blobs is not None:
            layout.note(info, blobs=blobs)
        self._write(path, info, content)

    def _info(self, path: list[str], kind: bytes) -> tarfile.TarInfo:
        info = layout.member(path, self._time)
        info.type = kind
        return info

    def _add(self, path: list[str], kind: bytes) -> None:
        self._write(path, self._info(path, kind))

    def _write(
        self, path: list[str], info: tarfile.TarInfo, content: IO[bytes] | None = None
    ) -> None:
        self._archive.addfile(info, content)
        layout.forget_members(self._archive)
        self.keys += 1
        self._progress(".".join(path))


def _again(
    first: tuple[str, TreeObj], rest: Iterator[tuple[str, TreeObj]]
) -> Iterator[tuple[str, TreeObj]]:
    yield first
    yield from rest
