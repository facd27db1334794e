"""Requests to the key-value store that wait for their answer: transactions, namespaces, their roots
and versions (flux_kvs_namespace_create(3), flux_kvs_getroot(3), flux_kvs_commit(3)).
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, NamedTuple

from flux import kvs_rpc
from flux.kvs_flags import READLINK
from flux.treeobj import dirref
from flux.wire.message import USERID_UNKNOWN_JSON
from flux.wire.text import as_seconds

if TYPE_CHECKING:
    from flux.core.handle import Flux
    from flux.kvs_txn import Txn
    from flux.treeobj import TreeObj
    from flux.wire.text import Text


class NamespaceRoot(NamedTuple):
    """The root of a namespace: blobref and number of its version, and the user who owns it."""

    blobref: str
    sequence: int
    owner: int

    @property
    def treeobj(self) -> TreeObj:
        """The RFC 11 object of the root, a snapshot to look keys up in."""
        return dirref(self.blobref)


def namespace_create(
    flux_handle: Flux, namespace: Text, owner: int = USERID_UNKNOWN_JSON, flags: int = 0
) -> None:
    """Create a namespace that belongs to user ``owner``, by default the instance owner; raises
    OSError: EEXIST, EPERM, EINVAL for a bad name.
    """
    kvs_rpc.create_namespace(flux_handle, namespace, owner, flags)


def namespace_remove(flux_handle: Flux, namespace: Text) -> None:
    """Remove a namespace and all that is in it; nothing happens if there is none of the name."""
    kvs_rpc.namespace_remove(flux_handle, namespace).get()


def getroot(flux_handle: Flux, namespace: Text | None = None) -> NamespaceRoot:
    """Return the root of a namespace; raises OSError(ENOTSUP) if there is no such namespace."""
    answer = kvs_rpc.getroot(flux_handle, namespace).get()
    return NamespaceRoot(answer["rootref"], answer["rootseq"], answer["owner"])


def wait_version(
    flux_handle: Flux, version: int, namespace: Text | None = None, timeout: float = -1.0
) -> None:
    """Wait until the version of a namespace, as this rank sees it, is at least ``version``; raises
    OSError(ETIMEDOUT) after ``timeout`` seconds, unless that is negative.
    """
    seconds = as_seconds(timeout, "timeout")
    future = kvs_rpc.wait_version(flux_handle, version, namespace)
    try:
        future.wait_for(seconds).get()
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
        # A broker of today knows it by another name.
        body = {"rootseq": version, "namespace": kvs_rpc.namespace_of(namespace)}
        flux_handle.rpc("kvs.wait-version", body).wait_for(seconds).get()


def sync(flux_handle: Flux, namespace: Text | None = None, timeout: float = -1.0) -> int:
    """Wait until this rank sees all that was committed before, by whomever, and return the version;
    raises OSError(ETIMEDOUT) after ``timeout`` seconds, unless that is negative.
    """
    as_seconds(timeout, "timeout")
    body = {"namespace": kvs_rpc.namespace_of(namespace), "flags": 0}
    version = int(flux_handle.rpc("kvs.getroot", body, 0).get()["rootseq"])
    wait_version(flux_handle, version, namespace, timeout)
    return version


def fence(
    flux_handle: Flux,
    name: Text,
    nprocs: int,
    txn: Txn,
    flags: int = 0,
    namespace: Text | None = None,
) -> int:
    """Commit ``txn`` together with those of the other ``nprocs`` callers that use the same
    ``name``, and return the version that has them all.
    """
    return int(kvs_rpc.fence(flux_handle, name, nprocs, txn, flags, namespace).get()["rootseq"])


def commit_txn(flux_handle: Flux, txn: Txn, flags: int = 0, namespace: Text | None = None) -> int:
    """Commit a transaction and return the version of the namespace that has it; raises OSError, as
    `flux.kvs_rpc.commit` says.
    """
    return int(kvs_rpc.commit(flux_handle, txn, flags, namespace).get()["rootseq"])


def readlink(flux_handle: Flux, key: Text, namespace: Text | None = None) -> tuple[str | None, str]:
    """Return the namespace, if the link ``key`` has one, and its target; raises OSError: ENOENT,
    EINVAL if it is not a link.
    """
    return kvs_rpc.symlink_of(kvs_rpc.lookup(flux_handle, key, READLINK, namespace))
