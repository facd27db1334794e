"""The commands of docs/seg.md, in one instance."""

from __future__ import annotations

from flux.testing.instance import running_instance
from tests.docs.pages import run
from tests.system.guide import commands, matches

PAGE = "seg.md"


def test_every_command_prints_what_the_page_shows() -> None:
    pairs = commands(PAGE)
    assert len(pairs) >= 9
    with running_instance() as instance:
        for command, printed in pairs:
            done = run(instance, "sh", "-c", command)
            assert done.returncode == 0, command
            assert matches(printed, done.stdout), f"{command}\n{done.stdout}"
