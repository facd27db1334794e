"""Trees of dicts, by keys with periods."""

from __future__ import annotations

from typing import Any

import pytest

from flux.treedict import del_treedict, dict_merge, get_treedict


def test_values_are_found_by_their_keys() -> None:
    tree = {"a": {"b": 1, "c": None}, "d": 2}
    assert get_treedict(tree, "a.b") == 1
    assert get_treedict(tree, "a") == {"b": 1, "c": None}
    assert get_treedict(tree, "a.c", 5) is None
    assert get_treedict(tree, "a.x", 5) == 5
    assert get_treedict(tree, "d.e", 5) == 5


def test_values_are_removed_with_the_levels_that_they_leave_empty() -> None:
    tree: dict[str, Any] = {"a": {"b": {"c": 1}}, "d": 2}
    del_treedict(tree, "a.b.c")
    assert tree == {"a": {"b": {}}, "d": 2}
    tree["a"]["b"]["c"] = 1
    del_treedict(tree, "a.b.c", remove_empty=True)
    assert tree == {"d": 2}
    tree = {"a": {"b": {"c": 1}, "e": 1}}
    del_treedict(tree, "a.b.c", remove_empty=True)
    assert tree == {"a": {"e": 1}}


@pytest.mark.parametrize("key", ["x", "a.x", "d.e", "x.y"])
def test_what_there_is_not_cannot_be_removed(key: str) -> None:
    with pytest.raises(KeyError):
        del_treedict({"a": {"b": 1}, "d": 2}, key)


def test_trees_add_to_trees() -> None:
    tree = {"a": {"b": 1, "c": 2}, "d": 3}
    assert dict_merge(tree, {"a": {"c": 4}, "d": {"e": 5}}) is tree
    assert tree == {"a": {"b": 1, "c": 4}, "d": {"e": 5}}
