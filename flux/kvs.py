"""All of the key-value store for programs (flux.kvs of the manual, flux_kvs_lookup(3) and its kin).

Values are JSON, directories behave like dictionaries: `get`, `exists`, `isdir`, `get_dir`, `walk`
read; `put`, `put_mkdir`, `put_unlink`, `put_symlink` collect changes on the handle, and `commit`
sends them as one transaction. `get_raw` and a `Txn` with `commit_txn` are for bytes, `watch`
follows a key, `copy`, `move` and `fence` do what they say, `namespace_create`, `namespace_remove`
and `namespace_list` manage namespaces, `getroot`, `get_version`, `wait_version` and `sync` deal
with their versions.

Each function that takes ``namespace`` means, without it, the one that the environment's
FLUX_KVS_NAMESPACE names, else ``primary``. Keys may be text or bytes. These functions wait for the
answer; those whose name ends in ``_async`` return its future, to be read with `value_of`, `dir_of`,
`symlink_of` and `treeobj_of`.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Self

from flux import kvs_rpc
from flux.kvs_calls import (
    NamespaceRoot,
    commit_txn,
    fence,
    getroot,
    namespace_create,
    namespace_remove,
    readlink,
    sync,
    wait_version,
)
from flux.kvs_pending import (
    changes_of,
    commit,
    commit_async,
    put,
    put_mkdir,
    put_symlink,
    put_unlink,
    take_pending,
)
from flux.kvs_rpc import (
    copy,
    decode_value,
    dir_of,
    get_version,
    is_symlink,
    lookup_cancel,
    move,
    namespace_of,
    symlink_of,
    treeobj_of,
    value_of,
)
from flux.kvs_rpc import fence as fence_async
from flux.kvs_rpc import lookup as lookup_async
from flux.kvs_today import KVSTxn, KVSWatchFuture, kvs_watch_async
from flux.kvs_txn import APPEND, NO_MERGE, PRIMARY, READDIR, READLINK, SYNC, TREEOBJ, Txn, normalize
from flux.kvs_watch import WatchFuture, watch, watch_async
from flux.treeobj import TreeObj, b64decode, b64encode
from flux.wire.errors import os_error
from flux.wire.text import Text, as_integer, as_text

if TYPE_CHECKING:
    from types import TracebackType

    from flux.core.handle import Flux
    from flux.future import Future

__all__ = [
    "APPEND",
    "NO_MERGE",
    "PRIMARY",
    "READDIR",
    "READLINK",
    "SYNC",
    "TREEOBJ",
    "KVSDir",
    "KVSTxn",
    "KVSWatchFuture",
    "NamespaceRoot",
    "Txn",
    "WatchFuture",
    "b64decode",
    "b64encode",
    "commit",
    "commit_async",
    "commit_txn",
    "copy",
    "dir_of",
    "dropcache",
    "exists",
    "fence",
    "fence_async",
    "get",
    "get_dir",
    "get_key_direct",
    "get_raw",
    "get_version",
    "getroot",
    "inner_walk",
    "is_symlink",
    "isdir",
    "join",
    "kvs_watch_async",
    "lookup_async",
    "lookup_cancel",
    "move",
    "namespace_create",
    "namespace_list",
    "namespace_remove",
    "normalize",
    "put",
    "put_mkdir",
    "put_symlink",
    "put_unlink",
    "readlink",
    "symlink_of",
    "sync",
    "treeobj_of",
    "value_of",
    "wait_version",
    "walk",
    "watch",
    "watch_async",
]


def get_raw(flux_handle: Flux, key: Text, namespace: Text | None = None) -> bytes:
    """Return the value of ``key`` as bytes; raises OSError: ENOENT, EISDIR."""
    return value_of(lookup_async(flux_handle, key, namespace=namespace))


def get_key_direct(flux_handle: Flux, key: Text, namespace: Text | None = None) -> Any:
    """Return the value of ``key``: decoded JSON, the text as it is if it is not JSON, None if it is
    empty, bytes if it is no text.

    Raises OSError: ENOENT, EISDIR.
    """
    return decode_value(get_raw(flux_handle, key, namespace))


def get(
    flux_handle: Flux,
    key: Text,
    namespace: Text | None = None,
    _kvstxn: KVSTxn | Txn | None = None,
) -> Any:
    """Return the value of ``key`` as `get_key_direct` does, or a `KVSDir` if it is a directory,
    whose changes go to the transaction ``_kvstxn``; raises OSError(ENOENT).
    """
    try:
        return get_key_direct(flux_handle, key, namespace)
    except OSError as exc:
        if exc.errno == errno.EISDIR:
            return get_dir(flux_handle, key, namespace, _kvstxn)
        raise


def get_dir(
    flux_handle: Flux,
    key: Text = ".",
    namespace: Text | None = None,
    _kvstxn: KVSTxn | Txn | None = None,
) -> KVSDir:
    """Return a directory, whose changes go to the transaction ``_kvstxn``; raises OSError: ENOENT,
    ENOTDIR.
    """
    return KVSDir(flux_handle, key, namespace=namespace, _kvstxn=_kvstxn)


def exists(flux_handle: Flux, key: Text, namespace: Text | None = None) -> bool:
    """Tell whether ``key`` is there, value or directory."""
    try:
        treeobj_of(lookup_async(flux_handle, key, namespace=namespace))
    except OSError as exc:
        if exc.errno == errno.EISDIR:
            return True
        if exc.errno in (errno.ENOENT, errno.ENOTDIR):
            return False
        raise
    return True


def isdir(flux_handle: Flux, key: Text, namespace: Text | None = None) -> bool:
    """Tell whether ``key`` is a directory."""
    try:
        return kvs_rpc.is_directory(flux_handle, key, namespace)
    except OSError as exc:
        if exc.errno == errno.ENOENT:
            return False
        raise


def dropcache(flux_handle: Flux) -> None:
    """Have the kvs module of this rank drop its cache."""
    flux_handle.rpc("kvs.dropcache").get()


def namespace_list(flux_handle: Flux) -> list[str]:
    """Return the names of the namespaces, in no particular order."""
    return [str(entry["namespace"]) for entry in kvs_rpc.namespace_list(flux_handle)]


def join(*args: Text) -> str:
    """Join key components with periods, leaving out empty ones."""
    return ".".join(as_text(part, "a key") for part in args if part)


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
            get_dir(kvsdir.flux_handle, kvsdir.key_at(name), kvsdir.namespace),
            join(curr_dir, name),
            topdown,
        )
    if not topdown:
        yield curr_dir, directories, files


def walk(
    directory: KVSDir | Text,
    topdown: bool = False,
    flux_handle: Flux | None = None,
    namespace: Text | None = None,
) -> Iterator[tuple[str, list[str], list[str]]]:
    """Walk a directory in the style of os.walk().

    ``directory`` is a `KVSDir`, or a key together with ``flux_handle``; raises ValueError for a key
    without handle.
    """
    if not isinstance(directory, KVSDir):
        if flux_handle is None:
            raise ValueError("If directory is a key, flux_handle must be specified")
        directory = get_dir(flux_handle, directory, namespace)
    return inner_walk(directory, "", topdown)


class KVSDir(MutableMapping[str, Any]):
    """A directory as a mapping from names to values, or to `KVSDir` for its own directories.

    Names may be paths relative to the directory. Changes are collected and sent by `commit`, or at
    the end of a ``with`` block; they are those of the handle, or of the transaction ``_kvstxn``.
    ``handle`` may give the path as an existing `KVSDir` instead of ``path``. Raises OSError:
    ENOENT, ENOTDIR.
    """

    def __init__(
        self,
        flux_handle: Flux | None = None,
        path: Text = ".",
        handle: KVSDir | None = None,
        namespace: Text | None = None,
        _kvstxn: KVSTxn | Txn | None = None,
    ) -> None:
        if handle is not None:
            flux_handle, path = flux_handle or handle.flux_handle, handle.path
            namespace = namespace or handle.namespace
        if flux_handle is None:
            raise ValueError("flux_handle must be a valid Flux handle")
        self.flux_handle: Flux = flux_handle
        self.path: str = normalize(as_text(path, "path") or ".")
        self.namespace: str = namespace_of(namespace)
        self._kvstxn = None if _kvstxn is None else changes_of(_kvstxn)
        self._entries()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        type_arg: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if type_arg is None:
            self.commit()
        elif self._kvstxn is None:
            take_pending(self.flux_handle, self.namespace)

    def _entries(self) -> dict[str, TreeObj]:
        return dir_of(lookup_async(self.flux_handle, self.path, READDIR, self.namespace))

    def __repr__(self) -> str:
        space = "" if self.namespace == PRIMARY else f", namespace={self.namespace!r}"
        return f"KVSDir({self.path!r}{space})"

    def __getitem__(self, key: Text) -> Any:
        try:
            return get(self.flux_handle, self.key_at(key), self.namespace, self._kvstxn)
        except OSError as exc:
            if exc.errno == errno.ENOENT:
                raise KeyError(key) from exc
            raise

    def __setitem__(self, key: Text, value: object) -> None:
        put(self.flux_handle, self.key_at(key), value, self.namespace, _kvstxn=self._kvstxn)

    def __delitem__(self, key: Text) -> None:
        put_unlink(self.flux_handle, self.key_at(key), self.namespace, self._kvstxn)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries()))

    def __len__(self) -> int:
        return len(self._entries())

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str | bytes) and self.exists(key)

    def key_at(self, key: Text) -> str:
        """Return the full key of ``key`` in this directory; raises OSError(EINVAL) if it is
        empty.
        """
        if not key:
            raise os_error(errno.EINVAL)
        name = as_text(key, "a key")
        return name if self.path == "." else f"{self.path}.{name}"

    def exists(self, name: Text) -> bool:
        """Tell whether ``name`` is in this directory."""
        return exists(self.flux_handle, self.key_at(name), self.namespace)

    def commit(self, flags: int = 0) -> int:
        """Send the collected changes, see `flux.kvs.commit`."""
        as_integer(flags, "flags")
        changes = self._kvstxn
        if changes is None:
            changes = take_pending(self.flux_handle, self.namespace)
        return commit(self.flux_handle, flags, self.namespace, changes)

    def commit_async(self, flags: int = 0) -> Future:
        """Send the changes of the directory's namespace; returns the future of their commit."""
        as_integer(flags, "flags")
        changes = self._kvstxn
        if changes is None:
            changes = take_pending(self.flux_handle, self.namespace)
        return commit_async(self.flux_handle, flags, self.namespace, changes)

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

    def mkdir(self, key: Text, contents: Mapping[str, object] | None = None) -> None:
        """Create the directory ``key`` and commit; fill it with ``contents`` as `fill` does."""
        put_mkdir(self.flux_handle, self.key_at(key), self.namespace, self._kvstxn)
        self.commit()
        if contents:
            KVSDir(self.flux_handle, self.key_at(key), namespace=self.namespace).fill(contents)

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
