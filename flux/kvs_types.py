"""The objects of the KVS protocol by the names of their members, for type checkers (import under
``TYPE_CHECKING``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NotRequired, TypedDict

if TYPE_CHECKING:
    from flux.treeobj import TreeObj


class KvsOp(TypedDict):
    """One operation of a transaction: ``dirent`` is the tree object that ``key`` shall be, None to
    remove it.
    """

    key: str
    flags: int
    dirent: TreeObj | None


class CommitRequest(TypedDict):
    """The payload of ``kvs.commit``."""

    namespace: str
    flags: int
    ops: list[KvsOp]
    lazy: NotRequired[bool]
