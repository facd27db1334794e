"""The examples of the guides are run, page by page, in order, in an instance of four brokers, and
print what the page shows (`tests.docs.pages`).
"""

from __future__ import annotations

import sys

import pytest

from flux.testing.instance import running_instance
from tests.docs.pages import ROOT, blocks, matches, run, steps

GUIDES = (
    "attributes-guide.md",
    "bulk-work.md",
    "crontab.md",
    "dependencies.md",
    "kvs.md",
    "queries.md",
    "shell-options.md",
)


@pytest.mark.parametrize("guide", GUIDES)
def test_the_examples_do_what_the_page_says(guide: str) -> None:
    page = (ROOT / "docs" / guide).read_text()
    assert blocks(page, "console") or blocks(page, "python")
    with running_instance(4) as instance:
        for command, output in steps(page):
            done = run(instance, "sh", "-c", command)
            shown = f"$ {command}\n{done.stdout}"
            assert done.returncode == 0, shown
            assert matches(output, done.stdout), f"{guide} shows:\n{output}\nprinted:\n{shown}"
        for program in blocks(page, "python"):
            done = run(instance, sys.executable, "-c", program)
            assert done.returncode == 0, done.stdout


def test_the_comparison_can_fail() -> None:
    assert matches("a ... b\n", "a x\ny b\n")
    assert not matches("a ... b\n", "a x\ny c\n")
    assert not matches("", "x\n")
