"""What lies at the top of the project: nothing that a bench or a test has left there."""

from __future__ import annotations

import subprocess
from typing import Final

import pytest

from tests.docs.pages import ROOT

ENTRIES: Final = {
    *(".ci", ".editorconfig", ".github", ".gitignore", ".pre-commit-config.yaml"),
    *("CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "SECURITY.md"),
    *("bench", "broker", "docs", "examples", "flux", "fluxctl", "pyproject.toml"),
    *("screenshots", "tests", "tools", "tui"),
}


def test_nothing_was_left_there() -> None:
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a checkout")
    assert {line.partition("/")[0] for line in done.stdout.splitlines()} <= ENTRIES
