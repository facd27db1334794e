#!/usr/bin/env python3
"""Write docs/api.md: which names of flux-core's Python API are here, from the lists in docs/api/.

python docs/api.py [--check] --check: exit with 1 if the page is stale
"""

from __future__ import annotations

import pathlib
import sys
import tomllib
from typing import NamedTuple

FOLDER = pathlib.Path(__file__).parent / "api"
PAGE = pathlib.Path(__file__).parent / "api.md"
INTRODUCTION = FOLDER / "introduction.txt"


class Names(NamedTuple):
    """What a module has here, and what it lacks, by the reason."""

    here: list[str]
    absent: dict[str, list[str]]


def modules() -> dict[str, Names]:
    """Return the names of all modules; KeyError if a module stands in two lists."""
    found: dict[str, Names] = {}
    for path in sorted(FOLDER.glob("*.toml")):
        for module, table in tomllib.loads(path.read_text("utf-8")).items():
            if module in found:
                raise KeyError(f"{module} stands in two lists")
            absent = {one["reason"]: one["names"] for one in table.get("absent", ())}
            found[module] = Names(table["here"], absent)
    return found


def page() -> str:
    """The whole page."""
    lines = [INTRODUCTION.read_text("utf-8")]
    for module, names in sorted(modules().items()):
        lines += [f"## {module}", ""]
        if names.here:
            lines += [", ".join(f"`{name}`" for name in names.here), ""]
        for reason, absent in names.absent.items():
            lines.append(f"- Not here: {', '.join(f'`{name}`' for name in absent)}: {reason}.")
        lines += [""] * bool(names.absent)
    return "\n".join(lines).rstrip() + "\n"


def main() -> int:
    """Write the page, or check it."""
    text = page()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(text, "utf-8")
        return 0
    if PAGE.read_text("utf-8") != text:
        print("docs/api.md is stale: run make docs", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
