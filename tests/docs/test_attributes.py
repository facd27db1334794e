"""Every attribute that code reads or defines is declared, and docs/attributes.md lists it."""

from __future__ import annotations

import ast
import pathlib
from typing import TYPE_CHECKING

from broker.attribute_table import ATTRIBUTES, SECTIONS
from docs import attributes

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = pathlib.Path(__file__).parents[2]
METHODS = ("get", "default", "define", "define_active", "set", "attr_get", "flags")
FUNCTIONS = ("bounded", "_checked")


def names_in(tree: ast.AST) -> Iterator[str]:
    """Yield the attributes that calls of ``attrs.get("x")``, ``handle.attr_get("x")`` and
    ``bounded(attrs, "x")`` name.
    """
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(attr="attr_get"), args=[ast.Constant(value=str(name)), *_]
            ):
                yield name
            case ast.Call(
                func=ast.Attribute(
                    attr=method, value=ast.Name(id="attrs") | ast.Attribute(attr="attrs")
                ),
                args=[ast.Constant(value=str(name)), *_],
            ) if method in METHODS:
                yield name
            case ast.Call(
                func=ast.Name(id=function), args=[_, ast.Constant(value=str(name)), *_]
            ) if function in FUNCTIONS:
                yield name


def test_calls_are_recognised() -> None:
    text = 'ctx.attrs.get("a")\nattrs.default("b", "1")\nbounded(attrs, "c", 1)\nh.attr_get("d")\n'
    assert sorted(names_in(ast.parse(text + 'payload.get("e")\n'))) == ["a", "b", "c", "d"]


def test_attributes_in_the_code_are_declared() -> None:
    named = {
        name: path.relative_to(ROOT)
        for package in ("broker", "flux", "fluxctl", "tui")
        for path in (ROOT / package).rglob("*.py")
        if "attrs" in (text := path.read_text("utf-8")) or "attr_get" in text
        if path != (ROOT / "fluxctl" / "command.py")  # attrs are click's there
        for name in names_in(ast.parse(text))
    }
    assert len(named) > 20
    assert {name: str(path) for name, path in named.items() if name not in ATTRIBUTES} == {}


def test_each_is_declared_once() -> None:
    assert len(ATTRIBUTES) == sum(map(len, SECTIONS.values()))


def test_the_page_is_up_to_date() -> None:
    assert not attributes.stale(), "run make docs"
