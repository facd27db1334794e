"""The examples of the guides to the key-value store and to cron do, in an instance of four brokers,
what the pages show (`tests.docs.pages`).
"""

from __future__ import annotations

import sys

import pytest

from flux.testing.instance import running_instance
from tests.docs.pages import ROOT, blocks, matches, run, steps


@pytest.mark.parametrize("guide", ["kvs.md", "crontab.md"])
def test_the_examples_do_what_the_page_says(guide: str) -> None:
    page = (ROOT / "docs" / guide).read_text()
    assert len(list(steps(page))) > 10
    with running_instance(4) as instance:
        for command, output in steps(page):
            done = run(instance, "sh", "-c", command)
            shown = f"$ {command}\n{done.stdout}"
            assert done.returncode == 0, shown
            assert matches(output, done.stdout), f"{guide} shows:\n{output}\nprinted:\n{shown}"
        for program in blocks(page, "python"):
            done = run(instance, sys.executable, "-c", program)
            assert done.returncode == 0, done.stdout
