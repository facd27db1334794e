"""The plugin of docs/cli-plugins.md does what the page says, and fails as it shows."""

from __future__ import annotations

import json
import pathlib
import re
from typing import TYPE_CHECKING, Any

import pytest

from fluxctl.main import invoke

if TYPE_CHECKING:
    from pathlib import Path

PAGE = (pathlib.Path(__file__).parents[2] / "docs" / "cli-plugins.md").read_text()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    found = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    (tmp_path / "project.py").write_text(found[1])
    monkeypatch.setenv("FLUX_CLI_PLUGINPATH_OVERRIDE", str(tmp_path))
    return tmp_path


def made(*words: str, capsys: pytest.CaptureFixture[str]) -> Any:
    assert invoke("run", ["--dry-run", *words, "true"]) == 0
    return json.loads(capsys.readouterr().out)["attributes"]["system"]


def test_the_option_goes_into_the_jobspec(capsys: pytest.CaptureFixture[str]) -> None:
    assert made("--site-project=night", capsys=capsys)["project"] == "night"
    assert made("--site-project=test", capsys=capsys)["duration"] == 300


def test_the_refusal_is_the_one_on_the_page(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = re.search(r"^flux-submit: ERROR: .*\)$", PAGE, re.MULTILINE)
    assert shown is not None
    assert invoke("submit", ["true"]) == 1
    assert capsys.readouterr().err.strip() == shown[0].replace("/etc/flux/cli/plugins", str(folder))


def test_help_shows_the_docstring(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke("run", ["--help=site-project"]) == 0
    assert "Which project pays for a job." in capsys.readouterr().out
