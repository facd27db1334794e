"""Output formats by name: of the commands, of configuration files, of the environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest

from flux.job.info import JobInfoFormat
from flux.output_format import OutputFormat
from fluxctl import main
from fluxctl.commands.queue import FORMATS
from fluxctl.errors import CommandError
from fluxctl.queue_table import HEADINGS
from fluxctl.resource_formats import DRAIN, LIST, STATUS
from fluxctl.saved_formats import SavedFormats, job_formats

if TYPE_CHECKING:
    from pathlib import Path

ALL = {"default": ("The usual", "{a}"), "long": ("More", "{a} {b}")}
PLAIN = SavedFormats("flux-tool", ALL)
TABLE = SavedFormats("flux-tool", ALL, "list")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the user's files are."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "none"))
    monkeypatch.delenv("FLUX_URI", raising=False)
    (tmp_path / "flux").mkdir()
    return tmp_path / "flux"


def test_what_is_read_without_a_file() -> None:
    assert PLAIN.read("{x} y") == "{x} y"
    assert PLAIN.read(None) == PLAIN.read("default") == "{a}"
    assert PLAIN.read(None, "{own}") == "{own}"
    assert PLAIN.read("long") == "{a} {b}"
    with pytest.raises(CommandError) as refused:
        PLAIN.read("a b", refusal="ERROR: ")
    assert str(refused.value) == "ERROR: --format: No such format a b (Did you mean '{a} {b}'?)"


def test_formats_of_a_file(folder: Path) -> None:
    (folder / "flux-tool.toml").write_text(
        "formats.mine.format = '{m}'\n[list.formats.r]\nformat='{r}'"
    )
    assert TABLE.read("r") == "{r}"
    with pytest.raises(CommandError, match="invalid key list"):
        PLAIN.read("mine")
    (folder / "flux-tool.toml").write_text("formats.mine.format = '{m}'\n")
    assert PLAIN.read("mine") == "{m}"


def test_the_environment_has_another_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUX_TOOL_FORMAT_DEFAULT", "long")
    assert PLAIN.read(None, "{own}") == PLAIN.read("default") == "{a} {b}"
    assert TABLE.read(None) == "{a}"
    monkeypatch.setenv("FLUX_TOOL_LIST_FORMAT_DEFAULT", "{z}")
    assert TABLE.read(None) == "{z}"
    monkeypatch.setenv("FLUX_TOOL_FORMAT_DEFAULT", "default")
    with pytest.raises(CommandError, match="FLUX_TOOL_FORMAT_DEFAULT names itself"):
        PLAIN.read(None)


def test_another_program_has_its_own_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUX_JOBS_FORMAT_DEFAULT", "deps")
    assert job_formats("{id}", "flux-pgrep").read(None) == "{id}"
    monkeypatch.setenv("FLUX_PGREP_FORMAT_DEFAULT", "{name}")
    assert job_formats("{id}", "flux-pgrep").read(None) == "{name}"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x =", "Invalid value"),
        ("other = 1", "invalid key other"),
        ("formats.long.format = ''", "override of builtin format 'long' not permitted"),
        ("formats.mine.x = ''", "formats.mine: required key 'format' missing"),
    ],
)
def test_a_file_that_is_wrong(text: str, reason: str, folder: Path) -> None:
    file = folder / "flux-tool.toml"
    file.write_text(text)
    with pytest.raises(CommandError) as refused:
        PLAIN.read("mine")
    assert str(refused.value).startswith(f"{file}: {reason}")
    assert PLAIN.read(None) == "{a}"  # who asks for none of them is not held up


@pytest.mark.parametrize("formats", [PLAIN, TABLE])
def test_what_there_is(
    formats: SavedFormats, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = "list.formats" if formats.subcommand else "formats"
    (folder / "flux-tool.toml").write_text(f"[{table}.mine]\ndescription='Mine'\nformat='{{m}}'\n")
    with pytest.raises(click.exceptions.Exit) as ended:
        formats.read("help")
    assert ended.value.exit_code == 0
    assert capsys.readouterr().out == (
        "\nConfigured flux-tool output formats:\n\n"
        "  default      The usual\n  long         More\n  mine         Mine\n"
    )
    with pytest.raises(click.exceptions.Exit):
        formats.read("get-config=mine")
    assert capsys.readouterr().out == f'[{table}.mine]\ndescription = "Mine"\nformat = "{{m}}"\n'
    with pytest.raises(CommandError) as refused:
        formats.read("get-config=nope")
    assert str(refused.value) == "--format: No such format nope"


@pytest.mark.parametrize("line", ["jobs", "pgrep .", "resource list", "queue list"])
def test_commands_without_an_instance(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    name, *words = line.split()
    assert main.invoke(name, [*words, "-o", "help"]) == 0
    assert "  default      What is shown without a format\n" in capsys.readouterr().out
    assert main.invoke(name, [*words, "-o", "nope"]) == 1
    assert "--format: No such format nope (Did you mean '{nope}'?)" in capsys.readouterr().err


def test_every_format_of_a_command_can_be_read() -> None:
    for _, text in job_formats("{id}").builtin.values():
        assert JobInfoFormat(text).fields
    ours = [(one.saved, one.today) for one in (LIST, STATUS, DRAIN)]
    for formats, headings in (*ours, (FORMATS, HEADINGS)):
        for _, text in formats.builtin.values():
            assert OutputFormat(headings, text).fields
