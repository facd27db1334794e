"""Trees of dicts, whose keys are written with periods between the levels."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flux.wire.json import JsonObject


def set_treedict(tree: JsonObject, key: str, value: object) -> None:
    """Set `value` in a tree of dicts at a key whose periods separate the levels; levels are made as
    needed.
    """
    *parents, leaf = key.split(".")
    for name in parents:
        level = tree.get(name)
        if not isinstance(level, dict):
            level = tree[name] = {}
        tree = level
    tree[leaf] = value
