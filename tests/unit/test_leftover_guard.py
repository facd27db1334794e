"""The guard of tests/conftest.py catches what it is there for."""

from __future__ import annotations

import pathlib

import pytest

pytest_plugins = ["pytester"]

GUARD = pathlib.Path(__file__).parents[1] / "conftest.py"


@pytest.fixture
def guarded(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeconftest(GUARD.read_text().replace("GRACE = 60.0", "GRACE = 0.2"))
    return pytester


def test_a_forgotten_process_fails_its_module(guarded: pytest.Pytester) -> None:
    guarded.makepyfile(
        "import subprocess\nkept = []\n"
        "def test_x():\n    kept.append(subprocess.Popen(['sleep', '60']))\n    assert kept\n"
    )
    result = guarded.runpytest_subprocess()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*processes left behind: * sleep 60*"])


def test_a_forgotten_run_directory_fails_its_module(guarded: pytest.Pytester) -> None:
    guarded.makepyfile(
        "import tempfile\ndef test_x():\n    assert tempfile.mkdtemp(prefix='flux-')\n"
    )
    result = guarded.runpytest_subprocess()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*run directories left behind*"])


def test_a_tidy_module_passes(guarded: pytest.Pytester) -> None:
    guarded.makepyfile(
        "import subprocess\ndef test_x():\n    assert subprocess.run(['true']).returncode == 0\n"
    )
    guarded.runpytest_subprocess().assert_outcomes(passed=1)
