"""The objects of the KVS protocol by the names of their members, mostly for type checkers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, NotRequired, TypedDict

if TYPE_CHECKING:
    from flux.treeobj import TreeObj


class KvsOp(TypedDict):
    """One operation of a transaction: ``dirent`` is the tree object that ``key`` shall be, None to
    remove it.
    """

    key: str
    flags: int
    dirent: TreeObj | None


class KvsPut(NamedTuple):
    """An operation that sets ``key`` to ``data``, or appends to it with APPEND in ``flags``, as a
    service gives it to the KVS of its own broker: the bytes, not their base64 text.
    """

    key: str
    data: bytes
    flags: int = 0


class CommitRequest(TypedDict):
    """The payload of ``kvs.commit``."""

    namespace: str
    flags: int
    ops: list[KvsOp]
    lazy: NotRequired[bool]
