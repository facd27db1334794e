"""Trees of dicts, whose keys are written with periods between the levels."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flux.wire.json import JsonObject


def get_treedict(in_dict: Mapping[str, object], key: str, default: object = None) -> object:
    """Return the value in a tree of dicts at a key whose periods separate the levels, ``default``
    if there is none.
    """
    found: object = in_dict
    for name in key.split("."):
        if not isinstance(found, dict) or name not in found:
            return default
        found = found[name]
    return found


def del_treedict(in_dict: JsonObject, key: str, remove_empty: bool = False) -> None:
    """Remove the value in a tree of dicts at a key whose periods separate the levels; with
    ``remove_empty`` also the levels that have nothing else. Raises KeyError if there is none.
    """
    *parents, leaf = key.split(".")
    levels = [in_dict]
    for name in parents:
        level = levels[-1][name]
        if not isinstance(level, dict):
            raise KeyError(key)
        levels.append(level)
    del levels[-1][leaf]
    while remove_empty and parents and not levels.pop():
        del levels[-1][parents.pop()]


def dict_merge(src: JsonObject, new: JsonObject) -> JsonObject:
    """Add a tree of dicts to ``src``, which is returned; of what both have, ``new`` counts."""
    for key, value in new.items():
        mine = src.get(key)
        if isinstance(value, dict) and isinstance(mine, dict):
            dict_merge(mine, value)
        else:
            src[key] = value
    return src


def set_treedict(in_dict: JsonObject, key: str, val: object) -> None:
    """Set ``val`` in a tree of dicts at a key whose periods separate the levels; levels are made as
    needed.
    """
    *parents, leaf = key.split(".")
    for name in parents:
        level = in_dict.get(name)
        if not isinstance(level, dict):
            level = in_dict[name] = {}
        in_dict = level
    in_dict[leaf] = val
