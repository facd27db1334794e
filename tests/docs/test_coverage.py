"""docs/coverage.md names a test for each option, topic and function of the pages on jobs."""

from __future__ import annotations

import ast
import functools
import json
import pathlib
import re

import pytest

import flux.job
import flux.seg
from broker.shell.plugin_stack import TOPICS
from broker.slurm.priority.site_child import FUNCTIONS as SITE_FACTOR_FUNCTIONS
from docs.coverage import PAGE, page, sections

TESTS = pathlib.Path(__file__).parents[1]
DATA = TESTS / "docs" / "data"
OPTIONS: dict[str, list[str]] = json.loads((DATA / "manual-options.json").read_text())
FUNCTIONS: list[str] = json.loads((DATA / "shell_functions.json").read_text())
ROWS = [(title, name, test) for title, rows in sections().items() for name, test in rows.items()]
JOBTAP = {
    *("get_flux", "service_register", "reprioritize_all", "reprioritize_job"),
    *("priority_unavail", "reject_job"),
}
EXTENSIONS = {"shell.post-init", "shell.finish"}
"""Topics that are not on the manual's page."""


@functools.cache
def functions(path: str) -> frozenset[str]:
    tree = ast.parse((TESTS / path).read_text("utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, kinds))


def names(title: str) -> str:
    """All names of the sections whose title begins so, in one text."""
    return " ".join(name for section, name, _ in ROWS if section.startswith(title))


@pytest.mark.parametrize(("title", "name", "test"), ROWS, ids=[f"{a} {b}" for a, b, _ in ROWS])
def test_the_test_of_a_row_exists(title: str, name: str, test: str) -> None:
    path, _, function = test.partition("::")
    assert function.startswith("test_"), f"{title}: {name}"
    assert function in functions(path), f"{title}: {name}: {test}"


def test_no_function_of_a_site_factor_plugin_is_missing() -> None:
    assert set(SITE_FACTOR_FUNCTIONS) < set(sections()["Slurm site-factor plugins"])


def words(text: str) -> set[str]:
    return set(re.findall(r"[\w.*-]+", text))


@pytest.mark.parametrize(
    ("title", "command"),
    [
        ("flux-shell(1): options of flux shell", "shell"),
        ("flux-jobs(1)", "jobs"),
        ("flux-jobtap(1)", "jobtap list"),
        ("flux-jobtap(1)", "jobtap load"),
    ],
)
def test_no_option_is_missing(title: str, command: str) -> None:
    have = words(names(title))
    for entry in OPTIONS[command]:
        assert have & set(entry.split("/")), entry


def test_no_option_of_flux_job_is_missing() -> None:
    rows = {name.split()[0]: words(name) for name in sections()["flux-job(1)"]}
    every = " ".join(sections()["flux-job(1)"])
    for command, options in OPTIONS.items():
        first, _, name = command.partition(" ")
        if first != "job":
            continue
        assert name in rows, command
        have = words(" ".join(row for row in sections()["flux-job(1)"] if row.split()[0] == name))
        for entry in options:
            assert have & set(entry.split("/")), f"{command} {entry} is not in {every}"


def test_no_function_is_missing() -> None:
    assert set(sections()["flux_shell_*(3)"]) == set(FUNCTIONS)
    wanted = {f"flux_jobtap_{name}" for name in JOBTAP}
    assert set(sections()["flux_jobtap_get_flux(3)"]) == wanted


def test_no_name_of_flux_job_is_missing() -> None:
    assert set(flux.job.__all__) <= set(sections()["flux.job"])


def test_no_name_of_the_event_generator_is_missing() -> None:
    have = words(names("Globus scheduler event generator"))
    assert {name for name in flux.seg.__all__ if name.startswith("GLOBUS_SEG")} <= have
    assert {name for name in flux.seg.__all__ if name.startswith("globus_")} <= have


def test_no_topic_is_missing() -> None:
    assert set(TOPICS) - EXTENSIONS <= words(names("flux-shell(1): topics"))


def test_the_page_is_what_is_generated() -> None:
    assert PAGE.read_text("utf-8") == page(), "run make docs"


def test_a_test_that_does_not_exist_is_noticed() -> None:
    assert "test_nosuch" not in functions("docs/test_coverage.py")
    assert "test_no_topic_is_missing" in functions("docs/test_coverage.py")
