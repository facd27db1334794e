"""Requests to the key-value store, one function for each of flux_kvs_lookup(3), flux_kvs_commit(3)
and their relatives.

Each sends its request and returns the future of the response. A namespace of None means the
environment's FLUX_KVS_NAMESPACE, or ``primary``.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

from flux import treeobj
from flux.constants import FLUX_RPC_NORESPONSE, FLUX_RPC_STREAMING
from flux.content import store
from flux.kvs_limits import check_key
from flux.kvs_txn import PRIMARY, READDIR, READLINK, TREEOBJ, WAITCREATE, WATCH, Txn, commit_request
from flux.wire import json
from flux.wire.errors import os_error
from flux.wire.message import NODEID_ANY, USERID_UNKNOWN_JSON
from flux.wire.text import Text, as_integer, as_optional_text, as_text

if TYPE_CHECKING:
    from flux.core.handle import Flux
    from flux.kvs_types import KvsOp
    from flux.rpc import RPC
    from flux.wire.json import JsonObject


def namespace_of(name: Text | None = None) -> str:
    """Return ``name``, else the namespace the environment names, else ``primary``."""
    return (
        as_optional_text(name, "the name of a namespace")
        or os.environ.get("FLUX_KVS_NAMESPACE")
        or PRIMARY
    )


def lookup_request(
    key: Text,
    flags: int = 0,
    namespace: Text | None = None,
    rootdir: treeobj.TreeObj | None = None,
) -> tuple[str, JsonObject]:
    """Return topic and payload of the request for ``key``; arguments and errors are those of
    `lookup`.
    """
    name = as_text(key, "a key")
    if not name:
        raise os_error(errno.EINVAL)
    check_key(name)
    body: JsonObject = {"key": name}
    if rootdir is None:
        body["namespace"] = namespace_of(namespace)
    body["flags"] = as_integer(flags, "flags")
    if rootdir is not None:
        body["rootdir"] = rootdir
    return "kvs-watch.lookup" if flags & (WATCH | WAITCREATE) else "kvs.lookup", body


def lookup(
    handle: Flux,
    key: Text,
    flags: int = 0,
    namespace: Text | None = None,
    rootdir: treeobj.TreeObj | None = None,
) -> RPC:
    """Look up ``key``, under the snapshot ``rootdir`` if given; with WATCH, the future is fulfilled
    again for each change. Leading, repeated and trailing periods mean nothing to the kvs module.

    Raises OSError: EINVAL for an empty key, ENAMETOOLONG beyond the bounds of `flux.kvs_limits`.
    Read the response with `value_of`, `dir_of`, `symlink_of` or `treeobj_of`.
    """
    topic, body = lookup_request(key, flags, namespace, rootdir)
    return handle.rpc(topic, body, NODEID_ANY, FLUX_RPC_STREAMING if flags & WATCH else 0)


def lookup_cancel(future: RPC) -> None:
    """End a watching `lookup`: its future gets ENODATA (flux_kvs_lookup_cancel)."""
    assert future.flux_handle is not None
    type(future)(
        future.flux_handle,
        "kvs-watch.cancel",
        {"matchtag": future.matchtag},
        NODEID_ANY,
        FLUX_RPC_NORESPONSE,
    )


def treeobj_of(future: RPC) -> treeobj.TreeObj:
    """Wait for a lookup and return its RFC 11 object; raises OSError as the lookup failed, EPROTO
    if malformed.
    """
    answer = future.get()
    if not isinstance(answer, dict) or not isinstance(answer.get("val"), dict):
        raise os_error(errno.EPROTO)
    obj: treeobj.TreeObj = answer["val"]
    return obj


def value_of(future: RPC) -> bytes:
    """Wait for a lookup and return the value's bytes."""
    return treeobj.decode_val(treeobj_of(future))


def decode_value(data: bytes) -> Any:
    """Return a value as programs see it: decoded JSON, the text it is if it is not JSON, None if it
    is empty, and the bytes themselves if they are no text.
    """
    if not data:
        return None
    try:
        return json.loads(data)
    except ValueError:
        pass
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return data
    return data if "\0" in text else text


def dir_of(future: RPC) -> dict[str, treeobj.TreeObj]:
    """Wait for a READDIR lookup and return the directory's entries."""
    entries: dict[str, treeobj.TreeObj] = treeobj_of(future)["data"]
    return entries


def symlink_of(future: RPC) -> tuple[str | None, str]:
    """Wait for a READLINK lookup and return the namespace, if the link has one, and the target."""
    data = treeobj_of(future)["data"]
    return data.get("namespace"), data["target"]


def commit(handle: Flux, txn: Txn, flags: int = 0, namespace: Text | None = None) -> RPC:
    """Commit a transaction; the response has ``rootref`` and ``rootseq``.

    Flags: NO_MERGE; SYNC has the commit told, and visible, only when it is durable
    (docs/durability.md). Errors of the response beside those of the transaction: EINVAL for SYNC in
    a namespace other than ``primary``, ENOSYS without a backing store, and what the store failed
    with, ENOSPC for example; nothing of the transaction is visible then.
    """
    body = commit_request(_ops(txn), as_integer(flags, "flags"), namespace_of(namespace))
    return handle.rpc("kvs.commit", body)


def _ops(txn: Txn) -> list[KvsOp]:
    """Return the operations of a transaction; raises TypeError for what is none."""
    if not isinstance(txn, Txn):
        raise TypeError(f"txn must be a transaction, a Txn, not {type(txn).__name__}")
    return txn.ops


def fence(
    handle: Flux, name: Text, nprocs: int, txn: Txn, flags: int = 0, namespace: Text | None = None
) -> RPC:
    """Commit a transaction together with those of the other ``nprocs`` callers that use the same
    ``name``.
    """
    body = {
        "name": as_text(name, "the name of a fence"),
        "nprocs": as_integer(nprocs, "nprocs"),
        "namespace": namespace_of(namespace),
        "flags": as_integer(flags, "flags"),
        "ops": _ops(txn),
    }
    return handle.rpc("kvs.fence", body)


def getroot(handle: Flux, namespace: Text | None = None, flags: int = 0) -> RPC:
    """Get ``rootref``, ``rootseq`` and ``owner`` of a namespace (flux_kvs_getroot(3))."""
    body = {"namespace": namespace_of(namespace), "flags": as_integer(flags, "flags")}
    return handle.rpc("kvs.getroot", body)


def get_version(handle: Flux, namespace: Text | None = None) -> int:
    """Return the root sequence number of a namespace."""
    return int(handle.rpc("kvs.getroot", {"namespace": namespace_of(namespace)}).get()["rootseq"])


def wait_version(handle: Flux, version: int, namespace: Text | None = None) -> RPC:
    """Wait until the root sequence number of a namespace is at least ``version``."""
    body = {"rootseq": as_integer(version, "version"), "namespace": namespace_of(namespace)}
    return handle.rpc("kvs.sync", body)


def namespace_create(
    handle: Flux,
    name: Text,
    owner: int = USERID_UNKNOWN_JSON,
    flags: int = 0,
    rootref: str | None = None,
) -> RPC:
    """Create a namespace owned by user ``owner``, by default the instance owner
    (flux_kvs_namespace_create(3)); its root is ``rootref``, by default an empty directory.
    """
    body: JsonObject = {
        "namespace": _space(name),
        "owner": as_integer(owner, "owner"),
        "flags": as_integer(flags, "flags"),
    }
    if rootref is not None:
        body["rootref"] = rootref
    return handle.rpc("kvs.namespace-create", body, 0)


def create_namespace(
    handle: Flux,
    name: Text,
    owner: int = USERID_UNKNOWN_JSON,
    flags: int = 0,
    rootref: str | None = None,
) -> None:
    """Create a namespace as `namespace_create` does and wait for it, also where the broker wants to
    be told what an empty directory is, as today's flux-core does; raises OSError.
    """
    try:
        namespace_create(handle, name, owner, flags, rootref).get()
        return
    except OSError as exc:
        if exc.errno != errno.EPROTO or rootref is not None:
            raise
    empty = store(handle, json.dumps(treeobj.directory()))
    namespace_create(handle, name, owner, flags, empty).get()


def namespace_remove(handle: Flux, name: Text) -> RPC:
    """Remove a namespace."""
    return handle.rpc("kvs.namespace-remove", {"namespace": _space(name)}, 0)


def _space(name: Text) -> str:
    return as_text(name, "the name of a namespace")


def namespace_list(flux_handle: Flux) -> list[JsonObject]:
    """Return the namespaces, each with ``namespace``, ``owner`` and ``flags``."""
    found: list[JsonObject] = flux_handle.rpc("kvs.namespace-list").get()["namespaces"]
    return found


def copy(
    handle: Flux,
    source: Text,
    target: Text,
    flags: int = 0,
    *,
    source_ns: Text | None = None,
    target_ns: Text | None = None,
) -> None:
    """Make ``target`` refer to what ``source`` does, directories included (flux_kvs_copy(3))."""
    # What is wrong with the second request is told before the first is sent.
    check_key(as_text(target, "a key"))
    as_integer(flags, "flags")
    space = namespace_of(target_ns)
    obj = treeobj_of(lookup(handle, source, TREEOBJ, source_ns))
    commit(handle, Txn().put_treeobj(target, obj), flags, space).get()


def move(
    handle: Flux,
    source: Text,
    target: Text,
    flags: int = 0,
    *,
    source_ns: Text | None = None,
    target_ns: Text | None = None,
) -> None:
    """`copy`, then unlink ``source``."""
    copy(handle, source, target, flags, source_ns=source_ns, target_ns=target_ns)
    commit(handle, Txn().unlink(source), flags, source_ns).get()


def is_directory(handle: Flux, key: Text, namespace: Text | None = None) -> bool:
    """Tell whether ``key`` is a directory; raises OSError(ENOENT) if it does not exist."""
    try:
        dir_of(lookup(handle, key, READDIR, namespace))
    except OSError as exc:
        if exc.errno == errno.ENOTDIR:
            return False
        raise
    return True


def is_symlink(handle: Flux, key: Text, namespace: Text | None = None) -> bool:
    """Tell whether ``key`` is a symlink; raises OSError(ENOENT) if it does not exist."""
    try:
        symlink_of(lookup(handle, key, READLINK, namespace))
    except OSError as exc:
        if exc.errno == errno.EINVAL:
            return False
        raise
    return True
