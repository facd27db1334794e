"""Each program of docs/python-api.md runs inside an instance and prints what the page shows."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance
from tests.system.guide import Example, examples, matches

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS = examples("python-api.md", "python")


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(2) as running:
        yield running


@pytest.mark.parametrize("program", PROGRAMS, ids=[one.title for one in PROGRAMS])
def test_a_program_prints_what_the_page_shows(instance: Instance, program: Example) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program.text],
        env=instance.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert matches(program.printed, done.stdout), done.stdout


def test_the_page_has_programs_that_print_something() -> None:
    assert len(PROGRAMS) > 15
    assert [one.title for one in PROGRAMS if not one.printed] == []
