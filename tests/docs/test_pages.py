"""The hand-written pages: links lead somewhere, every decision is listed, the changelog knows the
version.
"""

from __future__ import annotations

import pathlib
import re

import pytest

import flux

ROOT = pathlib.Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"(?<!`)\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_local_links_lead_to_files(page: pathlib.Path) -> None:
    targets = [target for target in LINK.findall(page.read_text()) if "://" not in target]
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = set(LINK.findall((folder / "README.md").read_text()))
    assert {page.name for page in folder.glob("*.md")} - {"README.md"} == listed


def test_every_decision_says_what_and_why() -> None:
    for page in (ROOT / "docs" / "decisions").glob("[!R]*.md"):
        text = page.read_text()
        assert text.startswith("# "), page.name
        assert {"## Decision", "## Why", "## Instead of"} <= set(text.splitlines()), page.name


def test_the_changelog_has_the_version() -> None:
    assert f"\n## {flux.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_every_package_is_described_in_the_architecture() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    services = [p.parent.name for p in (ROOT / "broker" / "services").glob("*/service.py")]
    rooms = [
        p.name + "/"
        for room in ("flux", "broker", "fluxctl", "tui")
        for p in (ROOT / room).iterdir()
        if (p / "__init__.py").exists()
    ]
    assert [name for name in [*services, *rooms] if name not in text] == []
