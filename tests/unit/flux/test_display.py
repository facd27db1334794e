"""What lists show: missing values, entries that look alike, trees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from flux.util import AltField, Deduplicator, DisplayValue, OutputFormat, Tree

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_field_may_have_a_plain_form() -> None:
    field = AltField("ƒ1", "f1")
    assert (str(field), f"{field:>4}", f"{field.ascii}") == ("ƒ1", "  ƒ1", "f1")


def test_values_sort_missing_ones_first_and_texts_last() -> None:
    values = ["b", 10, "9", None, "a", True, "", "-", 2.5]
    found = sorted(map(DisplayValue, values))
    assert [one.value for one in found] == [None, "", "-", True, 2.5, "9", 10, "a", "b"]
    assert DisplayValue("10") == DisplayValue(10)
    assert len({DisplayValue("10"), DisplayValue(10)}) == 1
    assert DisplayValue(5) != 5
    assert repr(DisplayValue("5")) == "DisplayValue('5', type_order=1, sort_value=5.0)"


@dataclass
class Row:
    """A row of a list."""

    count: int
    state: str


HEADINGS = {"count": "N", "state": "STATE"}


def adding(one: Row, other: Row) -> None:
    one.count += other.count


@pytest.mark.parametrize(("combine", "first"), [(adding, 4), (None, 1)])
def test_rows_that_look_alike_are_one(
    combine: Callable[[Row, Row], object] | None, first: int
) -> None:
    shown = OutputFormat("{count} {state:>5}", headings=HEADINGS)
    rows: Deduplicator[Row] = Deduplicator(shown, except_fields=["count"], combine=combine)
    for row in (Row(1, "up"), Row(2, "down"), Row(3, "up")):
        rows.append(row)
    assert list(rows) == [Row(first, "up"), Row(2, "down")]


def test_a_format_stands_first_or_second() -> None:
    for made in (
        OutputFormat(HEADINGS, "{count}"),
        OutputFormat("{count}", HEADINGS),
        OutputFormat("{count}", headings=HEADINGS),
    ):
        assert (made.header(), made.format(Row(3, "up"))) == ("N", "3")

    class Mine(OutputFormat):
        headings = HEADINGS

    assert Mine("{state}").header() == "STATE"
    with pytest.raises(ValueError, match="Unknown format field: x"):
        Mine("{x}")
    with pytest.raises(TypeError):
        OutputFormat(HEADINGS)
    prepended = OutputFormat("{state:>5} +:{count:>3}", HEADINGS, "0.", True)
    assert prepended.get_format() == "{0.state:>5} {0.count}"
    assert prepended.get_format(orig=True) == "{state:>5} +:{count:>3}"


def test_a_tree_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    tree = Tree("root")
    first = tree.append("one")
    first.append("leaf", prefix="P ")
    tree.append_tree(Tree("two"))
    tree.render()
    assert capsys.readouterr().out.splitlines() == [
        "root",
        "├── one",
        "P │   └── leaf",
        "└── two",
    ]
    tree.render("ascii", level=1)
    assert capsys.readouterr().out.splitlines() == ["root", "|-- one", "`-- two"]
    tree.render("ascii", skip_root=True)
    assert capsys.readouterr().out.splitlines() == ["one", "P `-- leaf", "two"]
    tree.render("compact", level=1)
    assert capsys.readouterr().out.splitlines() == ["root", "├─one", "└─two"]
    with pytest.raises(KeyError, match="'x'"):
        tree.render("x")


def test_nodes_that_look_alike_are_counted() -> None:
    tree = Tree("root", combine_children=True)
    for label in ("x", "y", "x", "x"):
        tree.append(label)
    assert list(tree.lines()) == ["root", "├── 3*[x]", "└── y"]
    plain = Tree("root")
    assert plain.append("x") is not plain.append("x")


def test_long_lines_are_cut(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "5")
    Tree("1234567").render()
    Tree("1234567").render(truncate=False)
    assert capsys.readouterr().out == "1234+\n1234567\n"


def test_a_deep_tree_is_drawn() -> None:
    tree = top = Tree("0")
    for _ in range(20_000):
        tree = tree.append("x")
    assert sum(1 for _ in top.lines(level=3)) == 4
