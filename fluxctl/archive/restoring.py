"""Reading an archive into a tree of blobs; only whoever is given its root makes it visible."""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import lzma
import tarfile
import zlib
from typing import IO, TYPE_CHECKING, Final, Self, cast

from broker.services.kvs.cache import ObjectCache
from broker.services.kvs.commit import Transaction, TransactionBatch
from broker.services.kvs.directory import Missing
from broker.services.kvs.draft import Scheme
from broker.services.kvs.ops import parse_ops
from flux import treeobj
from flux.kvs_txn import PRIMARY, Txn
from flux.wire import json
from fluxctl.archive import format as layout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fluxctl.archive.blobs import Blobs, Progress, Unread

BLOB_BYTES: Final = 16 << 20
"""Values in larger blobs are split, so that memory holds no more at a time."""
BATCH_KEYS: Final = 20_000
BATCH_BYTES: Final = 4 << 20
CACHE_BYTES: Final = 32 << 20


class Member(tarfile.TarInfo):
    """A member of an archive.

    Where one should be and is not, the archive is broken, not at its end.
    """

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as exc:
            raise tarfile.ReadError(f"it is cut short or damaged ({exc})") from exc


def decompressed(source: IO[bytes]) -> IO[bytes]:
    """Return the content of a file that may be compressed; unlike those of tarfile these notice
    every truncation.
    """
    file = (
        source
        if isinstance(source, io.BufferedReader)
        else io.BufferedReader(cast("io.RawIOBase", source))
    )
    head = file.peek(8)
    if head.startswith(b"\x1f\x8b"):
        return cast("IO[bytes]", gzip.GzipFile(fileobj=file))
    if head.startswith(b"BZh"):
        return bz2.BZ2File(file)
    if head.startswith(b"\xfd7zXZ\0"):
        return lzma.LZMAFile(file)
    return file


class GrowingTree:
    """A tree that grows, its blobs in ``blobs``: what the leader of the key-value store does,
    without anyone watching.
    """

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._cache = ObjectCache(CACHE_BYTES)
        empty = json.dumps(treeobj.directory())
        self.root = treeobj.blobref(empty, blobs.algorithm)
        blobs.store([(self.root, empty)])

    def apply(self, txn: Txn) -> None:
        """Apply operations; raises OSError."""
        work = [Transaction(parse_ops(txn.ops), 0, None)]
        while True:
            try:
                result = TransactionBatch[None](
                    self._cache, self.root, PRIMARY, Scheme(self._blobs.algorithm)
                ).apply(work)
                break
            except Missing as missing:
                for ref, blob in zip(missing.refs, self._blobs.load(missing.refs), strict=True):
                    self._cache.load_directory(ref, blob)
        for _, exc in result.failed:
            raise exc
        self._blobs.store(result.blobs.items())
        for ref, entries in result.directories.items():
            self._cache.add_directory(ref, entries, len(result.blobs[ref]))
        self.root = result.rootref


class Restore:
    """Reads an archive; ``progress`` is called with each key read, ``left_out`` with each whose
    value has more than ``most_bytes``.
    """

    def __init__(
        self,
        blobs: Blobs,
        progress: Progress,
        most_bytes: int | None = None,
        left_out: Unread | None = None,
    ) -> None:
        self._blobs = blobs
        self._progress = progress
        self._most_bytes = most_bytes
        self._left_out = left_out
        self._tree = GrowingTree(blobs)
        self._txn = Txn()
        self._pending: list[tuple[str, bytes]] = []
        self._pending_bytes = 0
        self._leaves: set[int] = set()
        self._parents: set[int] = set()
        self.keys = 0
        self.sequence = 0

    def read(self, source: IO[bytes], name: str) -> str:
        """Read the archive ``source``, called ``name`` in errors; returns the root.

        Raises OSError.
        """
        try:
            content = decompressed(source)
            with tarfile.open(fileobj=content, mode="r|", tarinfo=Member) as archive:
                while (info := archive.next()) is not None:
                    self._member(archive, info)
                    layout.forget_members(archive)
            while content.read(
                BLOB_BYTES
            ):  # what comes behind the end is checked by the decompressor
                pass
        except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError) as exc:
            raise OSError(errno.EINVAL, f"{name} is not a whole archive: {exc}") from exc
        except OSError as exc:
            if exc.errno is None:  # of gzip and bz2
                raise OSError(errno.EINVAL, f"{name} is not a whole archive: {exc}") from exc
            raise
        self._apply()
        return self._tree.root

    def _member(self, archive: tarfile.TarFile, info: tarfile.TarInfo) -> None:
        if info.isdir() and info.name.rstrip("/") == layout.ROOT:
            self.sequence = _number(layout.facts_of(info.pax_headers).get("sequence", 0))
            return
        key = layout.key_of(info)
        if self._claim(key, info):
            return
        if info.isreg() and self._most_bytes is not None and info.size > self._most_bytes:
            if self._left_out is not None:
                text = f"{info.size} bytes are more than {self._most_bytes}"
                self._left_out(key, OSError(errno.EFBIG, text))
            return
        if info.isreg():
            content = archive.extractfile(info)
            assert content is not None
            self._txn.put_treeobj(key, self._value(content, info))
        elif info.issym():
            self._txn.symlink(
                key, info.linkname, layout.facts_of(info.pax_headers).get("namespace")
            )
        elif info.isdir():
            self._txn.mkdir(key)
        else:
            raise OSError(
                errno.EINVAL,
                f"{info.name!r} in the archive is neither file, folder nor symbolic link",
            )
        self.keys += 1
        self._progress(key)
        if len(self._txn) >= BATCH_KEYS:
            self._apply()

    def _claim(self, key: str, info: tarfile.TarInfo) -> bool:
        """Note a key; returns whether it is a directory that is there already.

        Raises OSError(EINVAL) if it is there twice, or both a value and a directory.
        """
        number = hash(key)
        if info.isdir() and number in self._parents:
            return True
        if number in self._leaves or number in self._parents:
            raise OSError(errno.EINVAL, f"{info.name!r} is in the archive twice")
        (self._parents if info.isdir() else self._leaves).add(number)
        end = key.rfind(".")
        while end > 0:
            number = hash(key[:end])
            if number in self._leaves:
                raise OSError(
                    errno.EINVAL,
                    f"{info.name!r} is in the archive below something that is no directory",
                )
            if number in self._parents:
                break
            self._parents.add(number)
            end = key.rfind(".", 0, end)
        return False

    def _value(self, content: IO[bytes], info: tarfile.TarInfo) -> treeobj.TreeObj:
        record = layout.facts_of(info.pax_headers).get("blobs")
        if record is None and info.size <= layout.INLINE_MAX:
            return treeobj.val(content.read())
        sizes = (
            [info.size]
            if record is None
            else [_number(size) for size in (record if isinstance(record, list) else ())]
        )
        if not sizes or sum(sizes) != info.size:
            raise OSError(errno.EINVAL, f"{info.name!r} has other blobs than the archive says")
        refs = [self._blob(data) for size in sizes for data in _pieces(content, size)]
        return treeobj.valref(refs)

    def _blob(self, data: bytes) -> str:
        ref = treeobj.blobref(data, self._blobs.algorithm)
        self._pending.append((ref, data))
        self._pending_bytes += len(data)
        if self._pending_bytes >= BATCH_BYTES:
            self._store()
        return ref

    def _store(self) -> None:
        pending, self._pending, self._pending_bytes = self._pending, [], 0
        if pending:
            self._blobs.store(pending)

    def _apply(self) -> None:
        self._store()
        txn, self._txn = self._txn, Txn()
        if txn:
            self._tree.apply(txn)


def _pieces(content: IO[bytes], size: int) -> Iterator[bytes]:
    """Yield ``size`` bytes in blobs; an empty blob is one too."""
    while True:
        data = content.read(min(size, BLOB_BYTES))
        size -= len(data)
        yield data
        if not size:
            return
        if not data:
            raise tarfile.ReadError("it is cut short")


def _number(value: object) -> int:
    if isinstance(value, int) and value >= 0:
        return value
    raise OSError(errno.EINVAL, f"{value!r} in the archive is not a number")
