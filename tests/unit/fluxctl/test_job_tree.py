"""The tree of ``flux pstree``: siblings combined, connectors, details."""

from __future__ import annotations

from fluxctl.job_tree import ASCII, COMPACT, WIDE, TreeNode, combined, cut, drawn

LEAF = TreeNode("sleep")
INNER = TreeNode("batch", children=[LEAF, TreeNode("true"), LEAF])


def test_alike_leaves_are_one() -> None:
    tree = combined(TreeNode(".", children=[LEAF, INNER, LEAF, INNER]))
    assert list(drawn(tree, WIDE)) == [
        ".",
        "├── 2*[sleep]",
        "├── batch",
        "│   ├── 2*[sleep]",
        "│   └── true",
        "└── batch",
        "    ├── 2*[sleep]",
        "    └── true",
    ]


def test_without_the_root() -> None:
    tree = TreeNode(".", children=[INNER, LEAF])
    assert list(drawn(tree, ASCII, skip_root=True)) == [
        "batch",
        "|-- sleep",
        "|-- true",
        "`-- sleep",
        "sleep",
    ]


def test_details_stand_before_connectors() -> None:
    tree = TreeNode(".", "a ", [TreeNode("job", "b ", [TreeNode("task", "c ")])])
    assert list(drawn(tree, COMPACT)) == ["a .", "b └─job", "c   └─task"]


def test_deep_trees() -> None:
    tree = LEAF
    for _ in range(5000):
        tree = TreeNode("x", children=[tree])
    assert sum(1 for _ in drawn(tree, WIDE)) == 5001


def test_lines_are_cut() -> None:
    assert [cut("12345", width) for width in (None, 5, 4)] == ["12345", "12345", "123+"]
