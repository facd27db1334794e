"""Pages whose examples are run: fenced blocks tell what they are.

``console`` holds commands after ``$ `` and their output, where ``...`` stands for anything;
``python`` is run as a program inside the instance.
"""

from __future__ import annotations

import pathlib
import re
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flux.testing.instance import Instance

ROOT = pathlib.Path(__file__).parents[2]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str, kind: str) -> list[str]:
    """The texts of a page's blocks of one kind."""
    return [text for found, text in BLOCK.findall(page) if found == kind]


def steps(page: str) -> Iterator[tuple[str, str]]:
    """(command, expected output) of every console block."""
    for block in blocks(page, "console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


def matches(expected: str, actual: str) -> bool:
    """Whether `actual` is `expected` with each ``...`` standing for any text, lines included."""
    pattern = ".*?".join(re.escape(piece) for piece in expected.split("..."))
    return re.fullmatch(pattern, actual, re.DOTALL) is not None


def run(instance: Instance, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of a page where its reader would, both outputs in one."""
    return subprocess.run(
        command,
        env=instance.environment,
        cwd=instance.home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
