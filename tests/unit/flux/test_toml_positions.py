"""Lines of keys in TOML documents, found without the parser's help."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from flux.toml_positions import key_lines

if TYPE_CHECKING:
    from flux.toml_positions import Path

DOCUMENT = '''# a comment [not] a = table

title = "x # y"   # [neither]
"quoted key".'lit.eral' = 1
[ a . "b" ]       # spaces
text = """
[not.a.table]
key = 1 \\"""
"""
lit = \'\'\'
c = """
\'\'\'\'\'
when = 1979-05-27 07:32:00
list = [ # why
  1,
  { x = [1,
         2], y.z = "}" },
  "]",
]
last.key=0x1F
[[t]]
n = 1
[t.sub]
m = 2
[[t]]
[[t.inner]]
[[t.inner]]
k = {}
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 3),
        (("quoted key", "lit.eral"), 4),
        (("a",), 5),
        (("a", "b"), 5),
        (("a", "b", "text"), 6),
        (("a", "b", "lit"), 10),
        (("a", "b", "when"), 13),
        (("a", "b", "list"), 14),
        (("a", "b", "list", 0), 15),
        (("a", "b", "list", 1, "x", 1), 17),
        (("a", "b", "list", 1, "y", "z"), 17),
        (("a", "b", "list", 2), 18),
        (("a", "b", "last", "key"), 20),
        (("t", 0, "n"), 22),
        (("t", 0, "sub", "m"), 24),
        (("t", 1), 25),
        (("t", 1, "inner", 1, "k"), 28),
    ],
)
def test_each_notation(path: Path, line: int) -> None:
    assert key_lines(DOCUMENT)[path] == line


def paths(value: object, path: Path = ()) -> set[Path]:
    """The paths of everything in a parsed document."""
    found: set[Path] = set()
    members = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for step, member in members:
        found |= {(*path, step)} | paths(member, (*path, step))
    return found


def test_everything_in_the_document_has_a_line() -> None:
    assert set(key_lines(DOCUMENT)) == paths(tomli.loads(DOCUMENT))


values = st.recursive(
    st.sampled_from(['"a#b"', "'c]'", "1", "true", '"""x\n"y\n"""', "'''\n=z'''", "1979-05-27"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[\n" + ", # c\n".join(items) + "\n]"),
        st.lists(inner, max_size=3).map(
            lambda items: "{" + ", ".join(f"k{n} = {item}" for n, item in enumerate(items)) + "}"
        ),
    ),
    max_leaves=8,
)


@given(st.lists(values, max_size=5), st.booleans())
def test_any_document(items: list[str], tables: bool) -> None:
    head = "[[section.part]]\n" if tables else ""
    text = "".join(f"{head}'key {n}' = {item}\n" for n, item in enumerate(items))
    try:
        parsed = tomli.loads(text)
    except tomli.TOMLDecodeError:
        return
    found = key_lines(text)
    assert set(found) == paths(parsed)
    lines = text.splitlines()
    for path, line in found.items():
        if isinstance(path[-1], str) and path[-1].startswith("key"):
            assert lines[line - 1].startswith(f"'{path[-1]}'")
