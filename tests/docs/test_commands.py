"""Every command, every sub-command and every option has help, and the generated pages are those of
this code.
"""

from __future__ import annotations

import click
import pytest

from docs import generate, manual
from fluxctl.table import COMMANDS


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_and_option_has_help(name: str) -> None:
    for path, command in generate.sub_commands(COMMANDS[name].load(), name):
        assert command.help, f"flux {path} says nothing about itself"
        silent = [
            p.opts[-1]
            for p in command.params
            if isinstance(p, click.Option) and not p.hidden and not p.help
        ]
        assert not silent, f"flux {path}: options without help: {silent}"


def test_pages_are_up_to_date() -> None:
    assert generate.differing(generate.pages()) == [], "run make docs"


def test_a_stale_page_would_be_noticed() -> None:
    pages = dict(generate.pages())
    pages["start.md"] += "more\n"
    pages["nosuch.md"] = ""
    assert generate.differing(pages) == ["nosuch.md", "start.md"]


def test_manual_pages_are_up_to_date() -> None:
    assert generate.differing(manual.pages(), manual.FOLDER) == [], "run make docs"
