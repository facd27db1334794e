"""Which directories lie on the way to keys and are not at hand. No I/O.

Applying a batch finds them too, but tries every operation again for each level of the tree. Here
all keys go down together, and each directory is looked at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker.services.kvs.directory import Missing, one_entry
from flux import treeobj

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from broker.services.kvs.directory import Find
    from flux.treeobj import TreeObj

Trie = dict[str, "Trie"]


def missing_on_the_way(rootref: str, paths: Iterable[Sequence[str]], find: Find) -> list[str]:
    """Return the directories to load next for the keys ``paths`` below a root; none if those that
    can be known are at hand.

    What only the operations themselves can tell, such as where a link leads or that a directory
    cannot be read, is left to them.
    """
    trie: Trie = {}
    for path in paths:
        node = trie
        for name in path:
            node = node.setdefault(name, {})
    missing: list[str] = []
    pending: list[tuple[TreeObj, Trie]] = [(treeobj.dirref(rootref), trie)]
    while pending:
        obj, below = pending.pop()
        for name, further in below.items():
            try:
                entry = one_entry(obj, name, find)
            except Missing as exc:
                missing += exc.refs
                if obj["type"] == "dirref" and obj["data"] == exc.refs:
                    break  # all names are in that one
            except OSError:
                continue
            else:
                if entry is not None and further:
                    pending.append((entry, further))
    return list(dict.fromkeys(missing))
