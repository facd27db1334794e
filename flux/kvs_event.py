"""The events of the kvs module, checked: what a message that claims to be one says, if it says
anything.

Anyone who may publish can publish under these topics, so a reader takes nothing for granted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from flux.treeobj import is_blobref

if TYPE_CHECKING:
    from flux.wire.message import Message

SETROOT: Final = "kvs.setroot-"
REMOVED: Final = "kvs.namespace-removed-"


class SetRoot(NamedTuple):
    """A namespace has a new root; ``keys`` are those its commits mentioned."""

    namespace: str
    rootref: str
    rootseq: int
    owner: int
    keys: list[str]


def setroot_of(msg: Message) -> SetRoot | None:
    """Return what a ``kvs.setroot-<namespace>`` event says, None if it is malformed."""
    match _body(msg):
        case {
            "namespace": str(namespace),
            "rootref": str(rootref),
            "rootseq": int(rootseq),
            "owner": int(owner),
            "keys": list(keys),
        } if (
            msg.topic == SETROOT + namespace
            and is_blobref(rootref)
            and rootseq >= 0
            and all(isinstance(key, str) for key in keys)
        ):
            return SetRoot(namespace, rootref, rootseq, owner, keys)
    return None


def removed_of(msg: Message) -> str | None:
    """Return the name of the namespace that a ``kvs.namespace-removed-<namespace>`` event is about,
    None if it is malformed.
    """
    match _body(msg):
        case {"namespace": str(namespace)} if msg.topic == REMOVED + namespace:
            return namespace
    return None


def _body(msg: Message) -> object:
    try:
        return msg.json()
    except (ValueError, OSError):
        return None
