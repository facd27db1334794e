"""The list of commands that ``flux help`` prints: ours, and those of other packages, which
FLUX_CMDHELP_PATTERN names the files of.
"""

from __future__ import annotations

import os
import sys

from fluxctl.table import GROUPS

_HEAD = "Common commands from flux-{category}"


def command_list() -> str:
    """Return the sections of the list, with a blank line between them: what our own commands are
    for, then the categories of others.
    """
    sections = {
        title: [(one.listed or one.name, one.summary) for one in group if one.summary]
        for title, group in GROUPS.items()
    }
    found: dict[str, list[tuple[str, str]]] = {}
    pattern = os.environ.get("FLUX_CMDHELP_PATTERN")
    if pattern:
        _read_others(pattern, found)
    sections |= {_HEAD.format(category=category): rows for category, rows in found.items()}
    parts = [
        f"{title}:\n" + "".join(f"   {name:<18} {text}\n" for name, text in rows)
        for title, rows in sections.items()
    ]
    return "\n".join([_HEAD.format(category="core") + ":\n", *parts])


def _read_others(pattern: str, sections: dict[str, list[tuple[str, str]]]) -> None:
    """Add what the files of a glob pattern list: objects with category, command and
    description.
    """
    import json
    from glob import glob

    for path in sorted(glob(pattern)):
        try:
            with open(path, encoding="utf-8") as file:
                for entry in json.load(file):
                    row = (str(entry["command"]), str(entry["description"]))
                    sections.setdefault(str(entry["category"]), []).append(row)
        except (OSError, ValueError, KeyError, TypeError):
            sys.stderr.write(f"flux: {path}: not a readable list of commands\n")
