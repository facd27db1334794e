"""The key-value store for scripts (manual, flux.kvs): values are JSON, directories behave like
dictionaries.

`put` and its relatives collect changes on the handle; `commit` sends them as one transaction.
Services and programs that need more build a `Txn` and use `flux.kvs_rpc`.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakKeyDictionary

from flux import kvs_rpc
from flux.kvs_txn import APPEND, NO_MERGE, PRIMARY, READDIR, READLINK, SYNC, TREEOBJ, Txn, normalize
from flux.treeobj import TreeObj, b64decode, b64encode
from flux.wire import json
from flux.wire.errors import os_error

if TYPE_CHECKING:
    from types import TracebackType

    from flux.core.handle import Flux

__all__ = [
    "APPEND",
    "NO_MERGE",
    "PRIMARY",
    "READDIR",
    "READLINK",
    "SYNC",
    "TREEOBJ",
    "KVSDir",
    "Txn",
    "b64decode",
    "b64encode",
    "commit",
    "dropcache",
    "exists",
    "get",
    "get_dir",
    "get_key_direct",
    "inner_walk",
    "isdir",
    "join",
    "normalize",
    "put",
    "put_mkdir",
    "put_symlink",
    "put_unlink",
    "walk",
]

_pending: WeakKeyDictionary[Flux, Txn] = WeakKeyDictionary()


def _txn(flux_handle: Flux) -> Txn:
    return _pending.setdefault(flux_handle, Txn())


def get_key_direct(flux_handle: Flux, key: str) -> Any:
    """Return the value of ``key``: decoded JSON, the text as it is if it is not JSON, None if it is
    empty.

    Raises OSError: ENOENT, EISDIR.
    """
    data = kvs_rpc.value_of(kvs_rpc.lookup(flux_handle, key))
    if not data:
        return None
    try:
        return json.loads(data)
    except ValueError:
        return data.decode("utf-8", "surrogateescape")


def get(flux_handle: Flux, key: str) -> Any:
    """Return the value of ``key`` as `get_key_direct` does, or a `KVSDir` if it is a directory;
    raises OSError(ENOENT).
    """
    try:
        return get_key_direct(flux_handle, key)
    except OSError as exc:
        if exc.errno == errno.EISDIR:
            return get_dir(flux_handle, key)
        raise


def get_dir(flux_handle: Flux, key: str = ".") -> KVSDir:
    """Return a directory; raises OSError: ENOENT, ENOTDIR."""
    return KVSDir(flux_handle, key)


def exists(flux_handle: Flux, key: str) -> bool:
    """Tell whether ``key`` is there, value or directory."""
    try:
        kvs_rpc.treeobj_of(kvs_rpc.lookup(flux_handle, key))
    except OSError as exc:
        if exc.errno == errno.EISDIR:
            return True
        if exc.errno in (errno.ENOENT, errno.ENOTDIR):
            return False
        raise
    return True


def isdir(flux_handle: Flux, key: str) -> bool:
    """Tell whether ``key`` is a directory."""
    try:
        return kvs_rpc.is_directory(flux_handle, key)
    except OSError as exc:
        if exc.errno == errno.ENOENT:
            return False
        raise


def put(flux_handle: Flux, key: str, value: object) -> None:
    """Set ``key``, at the next `commit`, to ``value`` as JSON, or as it is if it is bytes; raises
    TypeError for anything else.
    """
    if isinstance(value, bytes | bytearray):
        _txn(flux_handle).put_raw(key, bytes(value))
    else:
        _txn(flux_handle).put(key, value)


def put_mkdir(flux_handle: Flux, key: str) -> None:
    """Make ``key`` an empty directory at the next `commit`."""
    _txn(flux_handle).mkdir(key)


def put_unlink(flux_handle: Flux, key: str) -> None:
    """Remove ``key``, and all below it, at the next `commit`."""
    _txn(flux_handle).unlink(key)


def put_symlink(flux_handle: Flux, key: str, target: str) -> None:
    """Make ``key`` a link to ``target`` at the next `commit`."""
    _txn(flux_handle).symlink(key, target)


def commit(flux_handle: Flux, flags: int = 0) -> int:
    """Send what was put since the last commit as one transaction and wait for it; returns 0.

    Flags: NO_MERGE, SYNC. Without changes there is nothing to send. The changes are forgotten if it
    fails, with an OSError.
    """
    txn = _pending.pop(flux_handle, None)
    if txn:
        kvs_rpc.commit(flux_handle, txn, flags).get()
    return 0


def dropcache(flux_handle: Flux) -> None:
    """Have the kvs module of this rank drop its cache."""
    flux_handle.rpc("kvs.dropcache").get()


def join(*args: str) -> str:
    """Join key components with periods, leaving out empty ones."""
    return ".".join(part for part in args if part)


def inner_walk(
    kvsdir: KVSDir, curr_dir: str, topdown: bool = False
) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield (path, names of directories, names of others) for ``kvsdir``, whose path is
    ``curr_dir``, and all below it.
    """
    files, directories = kvsdir.list_all()
    if topdown:
        yield curr_dir, directories, files
    for name in directories:
        yield from inner_walk(
            get_dir(kvsdir.flux_handle, kvsdir.key_at(name)), join(curr_dir, name), topdown
        )
    if not topdown:
        yield curr_dir, directories, files


def walk(
    directory: KVSDir | str, topdown: bool = False, flux_handle: Flux | None = None
) -> Iterator[tuple[str, list[str], list[str]]]:
    """Walk a directory in the style of os.walk().

    ``directory`` is a `KVSDir`, or a key together with ``flux_handle``; raises ValueError for a key
    without handle.
    """
    if not isinstance(directory, KVSDir):
        if flux_handle is None:
            raise ValueError("If directory is a key, flux_handle must be specified")
        directory = get_dir(flux_handle, directory)
    return inner_walk(directory, "", topdown)


class KVSDir(MutableMapping[str, Any]):
    """A directory as a mapping from names to values, or to `KVSDir` for its own directories.

    Names may be paths relative to the directory. Changes are collected and sent by `commit`, or at
    the end of a ``with`` block. ``handle`` may give the path as an existing `KVSDir` instead of
    ``path``. Raises OSError: ENOENT, ENOTDIR.
    """

    def __init__(
        self, flux_handle: Flux | None = None, path: str = ".", handle: KVSDir | None = None
    ) -> None:
        if handle is not None:
            flux_handle, path = flux_handle or handle.flux_handle, handle.path
        if flux_handle is None:
            raise ValueError("flux_handle must be a valid Flux handle")
        self.flux_handle: Flux = flux_handle
        self.path: str = normalize(path or ".")
        self._entries()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if exc is None:
            self.commit()
        else:
            _pending.pop(self.flux_handle, None)

    def _entries(self) -> dict[str, TreeObj]:
        return kvs_rpc.dir_of(kvs_rpc.lookup(self.flux_handle, self.path, READDIR))

    def __repr__(self) -> str:
        return f"KVSDir({self.path!r})"

    def __getitem__(self, key: str) -> Any:
        try:
            return get(self.flux_handle, self.key_at(key))
        except OSError as exc:
            if exc.errno == errno.ENOENT:
                raise KeyError(key) from exc
            raise

    def __setitem__(self, key: str, value: object) -> None:
        put(self.flux_handle, self.key_at(key), value)

    def __delitem__(self, key: str) -> None:
        put_unlink(self.flux_handle, self.key_at(key))

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries()))

    def __len__(self) -> int:
        return len(self._entries())

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.exists(key)

    def key_at(self, key: str) -> str:
        """Return the full key of ``key`` in this directory; raises OSError(EINVAL) if it is
        empty.
        """
        if not key:
            raise os_error(errno.EINVAL)
        return key if self.path == "." else f"{self.path}.{key}"

    def exists(self, name: str) -> bool:
        """Tell whether ``name`` is in this directory."""
        return exists(self.flux_handle, self.key_at(name))

    def commit(self, flags: int = 0) -> int:
        """Send the collected changes of the handle, see `flux.kvs.commit`."""
        return commit(self.flux_handle, flags)

    def list_all(self) -> tuple[list[str], list[str]]:
        """Return the names of values and links, and the names of directories."""
        files: list[str] = []
        directories: list[str] = []
        for name, obj in sorted(self._entries().items()):
            (directories if obj["type"] in ("dir", "dirref") else files).append(name)
        return files, directories

    def files(self) -> list[str]:
        """Return the names that are not directories."""
        return self.list_all()[0]

    def directories(self) -> list[str]:
        """Return the names of directories."""
        return self.list_all()[1]

    def mkdir(self, key: str, contents: Mapping[str, object] | None = None) -> None:
        """Create the directory ``key`` and commit; fill it with ``contents`` as `fill` does."""
        put_mkdir(self.flux_handle, self.key_at(key))
        self.commit()
        if contents:
            KVSDir(self.flux_handle, self.key_at(key)).fill(contents)

    def fill(self, contents: Mapping[str, object]) -> None:
        """Set the keys and values of ``contents`` and commit; ``dir.file`` names create
        directories, dictionaries become JSON values.

        Raises ValueError if ``contents`` is empty.
        """
        if not contents:
            raise ValueError("contents must be non-None and non-empty")
        for key, value in contents.items():
            self[key] = value
        self.commit()
