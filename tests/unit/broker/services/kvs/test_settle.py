"""Which held directories are written, kept and freed."""

from __future__ import annotations

from broker.services.kvs.settle import Held
from flux import treeobj
from flux.dirblob import Entries


def tree(held: Held, **directories: list[str]) -> None:
    """Hold directories, given as names and the names of those below."""
    entries: dict[str, Entries] = {
        name: {child: treeobj.dirref(child) for child in below} for name, below in directories.items()
    }
    held.add(entries, lambda ref: 10)


def test_what_a_root_leads_to_is_settled_children_first() -> None:
    held = Held()
    tree(held, leaf=[], other=[], middle=["leaf", "elsewhere"], root=["middle", "other"])
    assert held.settle(["middle"]) == ["leaf", "middle"]
    assert held.settle(["root", "unknown"]) == ["other", "root"]
    assert held.settle(["root"]) == [] and len(held) == 0


def test_directories_within_directories_count() -> None:
    held = Held()
    tree(held, leaf=[])
    held.add({"root": {"d": treeobj.directory({"e": treeobj.dirref("leaf")})}}, lambda ref: 10)
    assert held.settle(["root"]) == ["leaf", "root"]


def test_what_no_root_refers_to_is_freed_after_its_time() -> None:
    held = Held()
    tree(held, leaf=[], root1=["leaf"])
    tree(held, root2=["leaf"])
    assert held.settle(["root2"]) == ["leaf", "root2"]
    held.supersede([], now=100.0)
    assert held.expire(100.0, 1000) == ([], [])
    assert held.expire(100.1, 1000) == (["root1"], [])
    assert len(held) == 0


def test_what_is_on_its_way_is_neither_settled_nor_freed() -> None:
    held = Held()
    tree(held, old=[], leaf=[], coming=["leaf"])
    held.supersede(["coming"], now=1.0)
    assert held.expire(9.0, 1000) == (["old"], [])
    assert held.settle(["coming"]) == ["leaf", "coming"]


def test_what_comes_back_is_current_again() -> None:
    held = Held()
    tree(held, leaf=[], root=["leaf"])
    held.supersede([], now=1.0)
    tree(held, root=["leaf"])
    held.supersede(["root"], now=2.0)
    assert held.expire(9.0, 1000) == ([], [])
    assert held.settle(["root"]) == ["leaf", "root"]
    assert held.expire(9.0, 0) == ([], [])


def test_too_much_of_it_is_written_oldest_first() -> None:
    held = Held()
    for number in range(5):
        tree(held, **{f"d{number}": []})
        held.supersede([], now=float(number))
    assert held.expire(1.0, 20) == (["d0"], ["d1", "d2"])
    assert held.expire(9.0, 20) == (["d3", "d4"], [])


def test_a_wide_and_a_deep_tree() -> None:
    held = Held()
    tree(held, d0=[])
    for number in range(1, 5000):
        tree(held, **{f"d{number}": [f"d{number - 1}", "d0"]})
    assert len(held.settle(["d4999"])) == 5000
