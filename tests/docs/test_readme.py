"""Everything the README tells users to type is run, in order, in one instance, and prints what the
README shows (`tests.docs.pages`); ``sh`` blocks may hold targets of the Makefile only, which CI
runs anyway.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance
from tests.docs.pages import ROOT, blocks, matches, run, steps

if TYPE_CHECKING:
    from collections.abc import Iterator

README = (ROOT / "README.md").read_text()


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(4) as running:
        yield running


@pytest.mark.parametrize(
    ("command", "output"), list(steps(README)), ids=[command[:50] for command, _ in steps(README)]
)
def test_console_command(command: str, output: str, instance: Instance) -> None:
    done = run(instance, "sh", "-c", command)
    assert done.returncode == 0, done.stdout
    assert matches(output, done.stdout), f"README shows:\n{output}\nprinted:\n{done.stdout}"


@pytest.mark.parametrize("program", blocks(README, "python"))
def test_python_program(program: str, instance: Instance) -> None:
    done = run(instance, sys.executable, "-c", program)
    assert done.returncode == 0, done.stdout
    assert done.stdout


def test_other_blocks_name_targets_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text()
    lines = [line for block in blocks(README, "sh") for line in block.splitlines()]
    assert lines
    for line in lines:
        program, target = line.split()
        assert program == "make", line
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), line
