"""Reads the examples of a guide: fenced blocks that say what they are, and what each one prints."""

from __future__ import annotations

import pathlib
import re
from typing import NamedTuple

ROOT = pathlib.Path(__file__).parents[2]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
_HEADING = re.compile(r"^##+ (.*)$", re.M)


class Example(NamedTuple):
    """A block: its kind, its text, what the ``text`` block after it shows, and where it stands."""

    kind: str
    text: str
    printed: str
    title: str


def examples(page: str, *kinds: str) -> list[Example]:
    """Return the blocks of ``kinds`` of a page of docs/, in their order."""
    source = (ROOT / "docs" / page).read_text("utf-8")
    blocks = list(_BLOCK.finditer(source))
    found: list[Example] = []
    for block, after in zip(blocks, [*blocks[1:], None], strict=True):
        if block[1] not in kinds:
            continue
        headings = _HEADING.findall(source, 0, block.start())
        printed = ""
        if (
            after is not None
            and after[1] == "text"
            and not source[block.end() : after.start()].strip()
        ):
            printed = after[2]
        number = sum(one.title.startswith(headings[-1]) for one in found) + 1
        found.append(Example(block[1], block[2], printed, f"{headings[-1]} {number}"))
    return found


def commands(page: str) -> list[tuple[str, str]]:
    """Return the commands of all ``console`` blocks, after ``$ ``, each with what it prints."""
    found: list[tuple[str, str]] = []
    for block in examples(page, "console"):
        for part in re.split(r"^\$ ", block.text, flags=re.M)[1:]:
            command, _, printed = part.partition("\n")
            found.append((command, printed))
    return found


def matches(expected: str, actual: str) -> bool:
    """Whether ``actual`` is ``expected`` with each ``...`` standing for any text."""
    pattern = ".*?".join(re.escape(piece) for piece in expected.split("..."))
    return re.fullmatch(pattern, actual, re.S) is not None
