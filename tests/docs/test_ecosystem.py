"""docs/ecosystem.md says what `make ecosystem` found of the programs that it runs now."""

from __future__ import annotations

import ast
import json
from typing import TYPE_CHECKING

import pytest

from docs import ecosystem as page
from tests.ecosystem import outcomes
from tests.ecosystem.environment import LOCKED, pins

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

SUITE = outcomes.HERE


def test_the_page_is_made_of_what_was_found() -> None:
    assert not page.stale(), "run make ecosystem"


@pytest.mark.parametrize("name", ["here.json", "flux-core.json"])
def test_versions_are_those_installed(name: str) -> None:
    found = outcomes.load(outcomes.DATA / name)
    assert {program: entry["version"] for program, entry in found.items()} == {
        program: version for program, version in pins().items() if program in found
    }


def test_programs_are_locked_at_their_versions() -> None:
    locked = {name.lower().replace("_", "-"): version for name, version in pins(LOCKED).items()}
    assert {name: locked.get(name) for name in pins()} == pins()


def _titles() -> Iterator[str]:
    """What each test of the suite runs, as its docstring says."""
    for path in sorted(SUITE.glob("test_*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield (ast.get_docstring(node) or node.name).splitlines()[0].rstrip(".")


def test_every_test_of_the_suite_has_been_run() -> None:
    found = outcomes.load(outcomes.DATA / "here.json")
    noted = [title for entry in found.values() for title in entry["cases"]]
    assert sorted(noted) == sorted(_titles())


def test_nothing_fails_where_it_works_on_flux_core_without_a_reason() -> None:
    found = outcomes.load(outcomes.DATA / "here.json")
    bad = (outcomes.FAILS, outcomes.LACKING)
    silent = [
        (program, title)
        for program, entry in found.items()
        for title, (verdict, reason) in entry["cases"].items()
        if verdict in bad and not reason
    ]
    assert silent == []


def test_verdicts() -> None:
    case = outcomes.Case("parsl", "apps", outcomes.verdict("passed", False))
    assert case.verdict == outcomes.WORKS
    assert outcomes.verdict("failed", False) == outcomes.FAILS
    assert outcomes.verdict("failed", True) == outcomes.FAILS
    assert outcomes.verdict("skipped", True) == outcomes.LACKING
    assert outcomes.verdict("skipped", False) == outcomes.SKIPPED


def test_a_run_of_some_keeps_what_is_known_of_others(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "found.json"
    outcomes.record(path, [outcomes.Case("a", "x", "works")], {"a": "1", "b": "2"})
    outcomes.record(path, [outcomes.Case("b", "y", "works", "its fault")], {"a": "1", "b": "2"})
    assert json.loads(path.read_text()) == {
        "a": {"version": "1", "cases": {"x": ["works", ""]}},
        "b": {"version": "2", "cases": {"y": ["own fault", "its fault"]}},
    }
    outcomes.record(path, [outcomes.Case("b", "z", "fails", "why")], {"a": "1", "b": "3"})
    assert outcomes.load(path)["b"] == {"version": "3", "cases": {"z": ["fails", "why"]}}
