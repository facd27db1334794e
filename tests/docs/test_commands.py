"""Every command, every sub-command and every option has help, and the generated pages are those of
this code.
"""

from __future__ import annotations

import importlib.util
import pathlib
import sys
from typing import TYPE_CHECKING

import click
import pytest

from fluxctl.table import COMMANDS

if TYPE_CHECKING:
    from types import ModuleType

ROOT = pathlib.Path(__file__).parents[2]


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


GENERATE = generator()


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_and_option_has_help(name: str) -> None:
    for path, command in GENERATE.sub_commands(COMMANDS[name].load(), name):
        assert command.help, f"flux {path} says nothing about itself"
        silent = [
            p.opts[-1]
            for p in command.params
            if isinstance(p, click.Option) and not p.hidden and not p.help
        ]
        assert not silent, f"flux {path}: options without help: {silent}"


def test_pages_are_up_to_date() -> None:
    assert GENERATE.differing(GENERATE.pages()) == [], "run make docs"


def test_a_stale_page_would_be_noticed() -> None:
    pages = dict(GENERATE.pages())
    pages["start.md"] += "more\n"
    pages["nosuch.md"] = ""
    assert GENERATE.differing(pages) == ["nosuch.md", "start.md"]
