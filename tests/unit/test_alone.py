"""Tests that fail among others are tried once more, and named if they pass."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.alone import MOST

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., subprocess.CompletedProcess[str]]

ROOT = pathlib.Path(__file__).parents[2]

PASSES = "def test_passes(): pass\n"
FAILS = "def test_fails(): assert False, 'always'\n"
FAILS_ONCE = """
import pathlib
def test_fails_once():
    marker = pathlib.Path(__file__).with_name("marker")
    first = not marker.exists()
    marker.touch()
    assert not first
"""


@pytest.fixture
def run(tmp_path: pathlib.Path) -> Run:
    """Run the tests of a text as ``make test`` does."""

    def of(tests: str, *beside: str, name: str = "test_it.py") -> subprocess.CompletedProcess[str]:
        (tmp_path / "test_it.py").write_text(tests)
        (tmp_path / "pytest.ini").write_text("[pytest]\n")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
        return subprocess.run(
            [sys.executable, "-m", "tests.alone", *beside, "--", str(tmp_path / name)],
            cwd=tmp_path,
            env=environment | {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            capture_output=True,
            text=True,
            check=False,
        )

    return of


def test_what_passes_is_run_once(run: Run) -> None:
    done = run(PASSES)
    assert done.returncode == pytest.ExitCode.OK
    assert "1 passed" in done.stdout
    assert "alone" not in done.stdout


def test_a_defect_fails_twice(run: Run) -> None:
    done = run(PASSES + FAILS)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "1 failed, 1 passed" in done.stdout
    assert "1 failed among the others; once more, alone" in done.stdout
    assert done.stdout.count("AssertionError: always") > 1


def test_what_passes_alone_is_named(run: Run) -> None:
    done = run(PASSES + FAILS_ONCE)
    assert done.returncode == pytest.ExitCode.OK
    assert done.stdout.endswith("test_it.py::test_fails_once\n")
    assert "each is to be mended" in done.stdout


def test_one_that_passes_alone_does_not_excuse_another(run: Run) -> None:
    done = run(FAILS + FAILS_ONCE)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "to be mended" not in done.stdout


def test_many_failures_are_no_accident(run: Run) -> None:
    many = f"import pytest\n@pytest.mark.parametrize('n', range({MOST + 1}))\n"
    done = run(many + "def test_n(n): assert False\n")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "once more" not in done.stdout


@pytest.mark.parametrize(
    ("tests", "beside", "name", "code"),
    [
        (PASSES, ["--no-such-option"], "test_it.py", pytest.ExitCode.USAGE_ERROR),
        (PASSES, [], "no_such_file.py", pytest.ExitCode.USAGE_ERROR),
        ("", [], "test_it.py", pytest.ExitCode.NO_TESTS_COLLECTED),
        ("import no_such_module\n", [], "test_it.py", pytest.ExitCode.INTERRUPTED),
    ],
)
def test_what_could_not_be_run_is_not_excused(
    run: Run, tests: str, beside: list[str], name: str, code: int
) -> None:
    assert run(tests, *beside, name=name).returncode == code
