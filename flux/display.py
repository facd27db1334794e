"""What lists show: values that sort though some are missing, fields with a plain form, entries that
look alike as one, trees (flux.util of today's flux-core).
"""

from __future__ import annotations

import shutil
import sys
from functools import total_ordering
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from flux.output_format import OutputFormat

T = TypeVar("T")

UNSET: Final = (None, "", "-")
"""What stands for a missing value."""
PLAIN_WIDTH: Final = 132
"""Columns of lines that are cut, where nobody knows the terminal's."""


class AltField:
    """A text, ``default``, and the form that it has where only ASCII can be shown: the format field
    ``{NAME.ascii}``.
    """

    def __init__(self, default: str, ascii: str) -> None:  # noqa: A002 - flux-core's name
        self.default = default
        self.ascii = ascii

    def __str__(self) -> str:
        return self.default

    def __format__(self, spec: str) -> str:
        return format(self.default, spec)


@total_ordering
class DisplayValue:
    """A value as lists sort it: missing ones first, then numbers and texts that are numbers, then
    other texts.
    """

    EMPTY: Final = 0
    NUMERIC: Final = 1
    STRING: Final = 2
    __slots__ = ("_sort_value", "_type_order", "value")

    def __init__(self, value: object) -> None:
        self.value = value
        self._type_order, self._sort_value = self._key(value)

    @classmethod
    def _key(cls, value: object) -> tuple[int, float | str]:
        if value in UNSET:
            return cls.EMPTY, 0
        try:
            number = float(value) if isinstance(value, int | float | str) else None
        except ValueError:
            number = None
        return (cls.STRING, str(value)) if number is None else (cls.NUMERIC, number)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DisplayValue):
            return NotImplemented
        return (self._type_order, self._sort_value) == (other._type_order, other._sort_value)

    def __lt__(self, other: DisplayValue) -> bool:
        if self._type_order != other._type_order:
            return self._type_order < other._type_order
        mine, its = self._sort_value, other._sort_value
        if isinstance(mine, str) and isinstance(its, str):
            return mine < its
        return float(mine) < float(its)

    def __hash__(self) -> int:
        return hash((self._type_order, self._sort_value))

    def __repr__(self) -> str:
        order, value = self._type_order, self._sort_value
        return f"DisplayValue({self.value!r}, type_order={order}, sort_value={value!r})"


class Deduplicator(Generic[T]):
    """Collects items, of which those that a format shows alike become one.

    ``except_fields`` are fields of the format that do not count; ``combine`` is called with the
    item that there is and another that looks like it.
    """

    def __init__(
        self,
        formatter: OutputFormat,
        except_fields: Iterable[str] | None = None,
        combine: Callable[[T, T], object] | None = None,
    ) -> None:
        self._left_out = frozenset(except_fields or ())
        self._formatter = formatter
        self._combine = combine
        self._items: dict[str, T] = {}

    def append(self, item: T) -> None:
        """Add an item, or combine it with one that looks like it."""
        key = self._formatter.format_without(item, self._left_out)
        if key not in self._items:
            self._items[key] = item
        elif self._combine is not None:
            self._combine(self._items[key], item)

    def __iter__(self) -> Iterator[T]:
        return iter(self._items.values())


class TreeConnectors(NamedTuple):
    """What is drawn beside the nodes of a tree."""

    PIPE: str
    TEE: str
    ELBOW: str
    BLANK: str


class Tree:
    """A node of a tree and what is below it: ``label``, and ``prefix``, which stands before
    everything that is drawn. ``combine_children`` makes one node of those with equal labels and
    nothing below them.
    """

    connector_styles: Final = {
        "ascii": TreeConnectors("|   ", "|-- ", "`-- ", "    "),
        "box": TreeConnectors("│   ", "├── ", "└── ", "    "),
        "compact": TreeConnectors("│ ", "├─", "└─", "  "),
    }

    def __init__(self, label: str, prefix: str = "", combine_children: bool = False) -> None:
        self.label = label
        self.prefix = prefix
        self.combine_children = combine_children
        self.duplicate_count = 1
        self.children: list[Tree] = []
        self._leaves: dict[str, Tree] = {}

    def increment(self) -> Tree:
        """Note one more node that looks like this one; returns it."""
        self.duplicate_count += 1
        return self

    def append_tree(self, tree: Tree) -> Tree:
        """Add a node, or count it with the one that looks like it; returns the node that is
        there.
        """
        if self.combine_children and not tree.children:
            known = self._leaves.get(tree.label)
            if known is not None and not known.children:
                return known.increment()
            self._leaves[tree.label] = tree
        self.children.append(tree)
        return tree

    def append(self, label: str, prefix: str = "") -> Tree:
        """Make and add a node; see `append_tree`."""
        return self.append_tree(Tree(label, prefix, self.combine_children))

    def add(self, label: str, prefix: str = "", combine_children: bool = False) -> Tree:
        """Make and add a node, whatever it looks like."""
        tree = Tree(label, prefix, combine_children)
        self.children.append(tree)
        return tree

    def lines(
        self, style: str = "box", level: int | None = None, skip_root: bool = False
    ) -> Iterator[str]:
        """Yield the lines of the tree, of ``level`` levels below this node at most.

        Raises KeyError for a style that there is not.
        """
        signs = self.connector_styles[style]
        # No recursion: trees may be as deep as they like.
        roots = self.children if skip_root else [self]
        depth = 1 if skip_root else 0
        stack = [(root, "", "", depth) for root in reversed(roots)]
        while stack:
            node, before, below, depth = stack.pop()
            yield f"{node.prefix}{before}{node.text}"
            if level is not None and depth >= level:
                continue
            last = len(node.children) - 1
            for index in range(last, -1, -1):
                sign, rest = (
                    (signs.ELBOW, signs.BLANK) if index == last else (signs.TEE, signs.PIPE)
                )
                stack.append((node.children[index], below + sign, below + rest, depth + 1))

    @property
    def text(self) -> str:
        """The label, as ``3*[LABEL]`` for more than one."""
        count = self.duplicate_count
        return f"{count}*[{self.label}]" if count > 1 else self.label

    def render(
        self,
        style: str = "box",
        level: int | None = None,
        skip_root: bool = False,
        truncate: bool = True,
    ) -> None:
        """Print the lines of the tree, cut at the width of the terminal with ``truncate``. Raises
        KeyError as `lines`.
        """
        width = shutil.get_terminal_size((PLAIN_WIDTH, 0)).columns if truncate else None
        for line in self.lines(style, level, skip_root):
            cut = width is not None and len(line) > width
            sys.stdout.write(f"{line[: width - 1]}+\n" if width and cut else f"{line}\n")
