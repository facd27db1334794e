"""``flux top`` and its file of settings, without drawing anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from fluxctl.commands.top import command
from fluxctl.errors import CommandError
from tui.model.settings_text import DEFAULT_TEXT

if TYPE_CHECKING:
    from pathlib import Path


def test_the_default_settings_are_printed() -> None:
    result = CliRunner().invoke(command, ["--print-config"])
    assert (result.exit_code, result.output) == (0, DEFAULT_TEXT)


def test_the_actions_are_printed_with_their_keys() -> None:
    lines = CliRunner().invoke(command, ["--print-keys"]).output.splitlines()
    assert any(line.split()[:2] == ["jobs.cancel", "c"] for line in lines)
    assert len(lines) > 60


def test_a_good_file_is_good(tmp_path: Path) -> None:
    path = tmp_path / "top.toml"
    path.write_text('theme = "light"\n')
    result = CliRunner().invoke(command, ["--check-config", "--config", str(path)])
    assert (result.exit_code, result.output) == (0, f"{path}: nothing is wrong\n")


def test_every_mistake_is_listed(tmp_path: Path) -> None:
    path = tmp_path / "top.toml"
    path.write_text('them = "x"\n[keys]\njobs.cancel = "s"\n')
    result = CliRunner().invoke(command, ["--check-config", "--config", str(path)])
    assert isinstance(result.exception, CommandError | SystemExit)
    assert result.stderr.splitlines()[:2] == [
        f"{path}:1: them: no such setting; did you mean theme?",
        f"{path}:3: keys.jobs.cancel: s is the key of jobs.sort",
    ]


@pytest.mark.parametrize("text", ["them = 1", "x = ", '[keys]\njobs.cancel = "s"'])
def test_a_bad_file_that_is_named_is_refused_before_anything_is_drawn(
    tmp_path: Path, text: str
) -> None:
    from fluxctl.commands import top

    path = tmp_path / "top.toml"
    path.write_text(text)
    with pytest.raises(CommandError) as caught:
        top._refuse_mistakes(str(path))  # noqa: SLF001 - the terminal that comes first is not here
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there_is_a_mistake_if_it_is_named(tmp_path: Path) -> None:
    result = CliRunner().invoke(command, ["--check-config", "--config", str(tmp_path / "no.toml")])
    assert "No such file" in result.stderr
