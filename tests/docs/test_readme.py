"""Everything the README tells users to type is run, in order, in one instance, and prints what the
README shows.

Fenced blocks tell what they are: ``console`` holds commands after ``$ `` and their output, where
``...`` stands for anything; ``python`` is run as a program inside the instance; ``sh`` may hold
targets of the Makefile only, which CI runs anyway.
"""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = pathlib.Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(kind: str) -> list[str]:
    return [text for found, text in BLOCK.findall(README) if found == kind]


def steps() -> Iterator[tuple[str, str]]:
    """(command, expected output) of every console block."""
    for block in blocks("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


def matches(expected: str, actual: str) -> bool:
    """Whether `actual` is `expected` with each ``...`` standing for any text, lines included."""
    pattern = ".*?".join(re.escape(piece) for piece in expected.split("..."))
    return re.fullmatch(pattern, actual, re.DOTALL) is not None


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(4) as running:
        yield running


def run(instance: Instance, *command: str) -> subprocess.CompletedProcess[str]:
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


@pytest.mark.parametrize(
    ("command", "output"), list(steps()), ids=[command[:50] for command, _ in steps()]
)
def test_console_command(command: str, output: str, instance: Instance) -> None:
    done = run(instance, "sh", "-c", command)
    assert done.returncode == 0, done.stdout
    assert matches(output, done.stdout), f"README shows:\n{output}\nprinted:\n{done.stdout}"


@pytest.mark.parametrize("program", blocks("python"))
def test_python_program(program: str, instance: Instance) -> None:
    done = run(instance, sys.executable, "-c", program)
    assert done.returncode == 0, done.stdout
    assert done.stdout


def test_other_blocks_name_targets_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text()
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    assert lines
    for line in lines:
        program, target = line.split()
        assert program == "make", line
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), line


def test_the_comparison_can_fail() -> None:
    assert matches("a ... b\n", "a x\ny b\n")
    assert not matches("a ... b\n", "a x\ny c\n")
    assert not matches("", "x\n")
