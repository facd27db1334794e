"""The tree that ``flux pstree`` draws: nodes in, lines out. Decisions only, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class TreeNode:
    """A job or an instance: what is drawn of it, what stands before that, and what is below it.

    ``copies`` is how many such nodes it stands for, ``facts`` what is known of it, for programs.
    """

    label: str
    detail: str = ""
    children: Sequence[TreeNode] = field(default=())
    copies: int = 1
    facts: Mapping[str, object] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The label, as ``3*[LABEL]`` for more than one."""
        return f"{self.copies}*[{self.label}]" if self.copies > 1 else self.label


class Connectors(NamedTuple):
    """What is drawn before a node, the last of its siblings, and below each of these."""

    branch: str
    last: str
    beside: str
    below: str


WIDE = Connectors("├── ", "└── ", "│   ", "    ")
COMPACT = Connectors("├─", "└─", "│ ", "  ")
ASCII = Connectors("|-- ", "`-- ", "|   ", "    ")


def combined(node: TreeNode) -> TreeNode:
    """Return a tree in which siblings that are drawn alike, and have nothing below them, are one
    node, where the first of them is.
    """
    found: dict[str, int] = {}
    children: list[TreeNode] = []
    for child in node.children:
        if child.children:
            children.append(combined(child))
        elif child.label in found:
            place = found[child.label]
            children[place] = replace(children[place], copies=children[place].copies + child.copies)
        else:
            found[child.label] = len(children)
            children.append(child)
    return replace(node, children=children)


def drawn(root: TreeNode, connectors: Connectors, *, skip_root: bool = False) -> Iterator[str]:
    """Yield the lines of a tree, each with the detail of its node before it.

    Without the root each node below it is one of its own.
    """
    roots = root.children if skip_root else (root,)
    for node in roots:
        yield node.detail + node.text
        yield from _below(node, "", connectors)


def _below(node: TreeNode, indent: str, connectors: Connectors) -> Iterator[str]:
    # No recursion: instances may be nested as deep as their owner likes.
    stack = [(indent, iter(node.children), len(node.children))]
    while stack:
        before, children, left = stack.pop()
        child = next(children, None)
        if child is None:
            continue
        stack.append((before, children, left - 1))
        is_last = left == 1
        connector = connectors.last if is_last else connectors.branch
        yield f"{child.detail}{before}{connector}{child.text}"
        below = before + (connectors.below if is_last else connectors.beside)
        stack.append((below, iter(child.children), len(child.children)))


def told(node: TreeNode) -> dict[str, object]:
    """Return a tree as objects: the facts of each node, and its ``children``."""
    return {**node.facts, "children": [told(child) for child in node.children]}


def cut(line: str, width: int | None) -> str:
    """Return a line that fits a width, with ``+`` for what is cut off; whole for None."""
    if width is None or len(line) <= width:
        return line
    return line[: max(width - 1, 0)] + "+"
