"""What `test_house.py` counts of our source files, read off their syntax trees and lines.

``python -m tests.docs.house`` prints the counts of today in the form of data/house.toml.
"""

from __future__ import annotations

import ast
import pathlib
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ROOT = pathlib.Path(__file__).parents[2]
PACKAGES = ("flux", "broker", "fluxctl", "tui")
ROOMS = (*PACKAGES, "bench", "docs", "examples", "tests")
WIDTH = 100
TALL = 50

_DIALECTS = re.compile(
    r"^\s*(Args|Returns|Raises|Attributes|Yields):$|:(class|func|meth|mod):`", re.M
)
_PHRASES = re.compile(
    r"\bTake back\b|\bwhat is no \b|\bthat is none\b|\bis no (URI|integer|version)\b"
)


@dataclass(frozen=True)
class Source:
    """A file: its path from the root, its text and syntax tree."""

    path: str
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """The package or folder that it belongs to."""
        return pathlib.PurePath(self.path).parts[0]


def source(path: str, text: str) -> Source:
    """Parse a file. Raises SyntaxError if it is not Python."""
    return Source(path, text, ast.parse(text, path, type_comments=True))


def sources() -> list[Source]:
    """Read every Python file of the house."""
    paths = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
    return [source(str(path.relative_to(ROOT)), path.read_text("utf-8")) for path in paths]


def _is_any(node: ast.AST) -> bool:
    match node:
        case ast.Name(id="Any") | ast.Attribute(value=ast.Name(id="typing"), attr="Any"):
            return True
    return False


def any_rates(files: Iterable[Source]) -> dict[str, float]:
    """Return how often ``Any`` stands in 1,000 lines of each package; imports do not count."""
    lines: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for file in files:
        if file.room in PACKAGES:
            lines[file.room] += file.text.count("\n")
            found[file.room] += sum(map(_is_any, ast.walk(file.tree)))
    return {room: round(1000 * found[room] / lines[room], 1) for room in lines}


def ignored_types(files: Iterable[Source]) -> dict[str, int]:
    """Return the number of ``type: ignore`` in the packages together and in all tests."""
    found = Counter({"packages": 0, "tests": 0})
    for file in files:
        where = "packages" if file.room in PACKAGES else "tests"
        found[where] += len(file.tree.type_ignores)
    return dict(found)


def wide_lines(files: Iterable[Source]) -> dict[str, int]:
    """Return the number of lines over 100 columns in each room."""
    found: Counter[str] = Counter()
    for file in files:
        found[file.room] += sum(len(line) > WIDTH for line in file.text.splitlines())
    return dict(found)


def docstring_faults(files: Iterable[Source]) -> dict[str, int]:
    """Return, by package, how many docstrings are not plain prose or use a phrase we avoid."""
    found: Counter[str] = Counter()
    for file in files:
        if file.room in PACKAGES:
            found[file.room] += sum(
                bool(_DIALECTS.search(text) or _PHRASES.search(text)) for text in _docstrings(file)
            )
    return dict(found)


def _docstrings(file: Source) -> Iterator[str]:
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""


def tall_functions(files: Iterable[Source]) -> list[str]:
    """Return the functions of more than 50 lines, as ``path:name``; those of tests do not count."""
    return sorted(
        f"{file.path}:{node.name}"
        for file in files
        if file.room != "tests"
        for node in ast.walk(file.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= TALL
    )


def twins(files: Iterable[Source]) -> list[str]:
    """Return the names that more than one class of the packages has; a leading _ makes no
    difference.
    """
    names = Counter(
        node.name.lstrip("_")
        for file in files
        if file.room in PACKAGES
        for node in ast.walk(file.tree)
        if isinstance(node, ast.ClassDef)
    )
    return sorted(name for name, times in names.items() if times > 1)


def _table(name: str, comment: str, counts: Mapping[str, float]) -> str:
    rows = "".join(f"{where} = {count}\n" for where, count in sorted(counts.items()))
    return f"\n# {comment}\n[{name}]\n{rows}"


def as_toml(files: Iterable[Source]) -> str:
    """Return all counts as the text of data/house.toml."""
    files = list(files)
    lists = {
        "tall_functions": ("Functions of more than 50 lines.", tall_functions(files)),
        "twins": ("Class names that stand twice; a leading _ makes no difference.", twins(files)),
    }
    text = (
        "# Ceilings of test_house.py. They only fall: one that is a tenth above its count fails.\n"
    )
    for name, (comment, found) in lists.items():
        rows = "".join(f'    "{one}",\n' for one in found)
        text += f"\n# {comment}\n{name} = [\n{rows}]\n"
    wide = "Lines over 100 columns."
    plain = "Docstrings with sections or roles instead of prose, or with a phrase to avoid."
    return (
        text
        + _table("any_per_1000_lines", "How often Any stands in 1,000 lines.", any_rates(files))
        + _table("type_ignores", "Comments that silence mypy.", ignored_types(files))
        + _table("wide_lines", wide, wide_lines(files))
        + _table("docstring_faults", plain, docstring_faults(files))
    )


if __name__ == "__main__":
    print(as_toml(sources()), end="")
