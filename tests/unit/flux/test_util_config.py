"""Configuration files of programs, and files as objects."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from flux.util import Fileref, UtilConfig, empty_outputs, xdg_searchpath

if TYPE_CHECKING:
    from pathlib import Path

BUILTIN = {"default": {"description": "The usual.", "format": "{x}"}}


class Tool(UtilConfig):
    """The configuration of a tool with formats."""

    builtin_formats = BUILTIN

    def validate(self, path: str, conf: dict[str, object]) -> None:
        self.validate_formats(path, conf.get("formats"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own folder; another one is shared by all."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "mine"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "shared"))
    for name in ("mine", "shared"):
        (tmp_path / name / "flux").mkdir(parents=True)
    return tmp_path / "mine" / "flux"


def test_the_search_path_has_the_users_folder_first(folder: Path) -> None:
    assert xdg_searchpath()[0] == folder
    assert xdg_searchpath("x")[1] == folder.parents[1] / "shared" / "flux" / "x"


def test_files_of_all_kinds_add_to_each_other(folder: Path) -> None:
    shared = folder.parents[1] / "shared" / "flux"
    (shared / "tool.toml").write_text("a = 1\nb.c = 1\n")
    (folder / "tool.json").write_text('{"b": {"c": 2, "d": 3}}')
    (folder / "tool.yaml").write_text("e: [1, 2]\n")
    (folder / "tool.txt").write_text("not read")
    made = UtilConfig("tool", initial_dict={"z": 0}).load()
    assert made.config == {"z": 0, "a": 1, "b": {"c": 2, "d": 3}, "e": [1, 2]}
    assert made.a == 1
    with pytest.raises(AttributeError, match="has no attribute 'nope'"):
        _ = made.nope


def test_a_sub_command_has_a_table(folder: Path) -> None:
    (folder / "tool.toml").write_text("a = 1\n[sub]\na = 2\n")
    assert UtilConfig("tool", subcommand="sub").load().config == {"a": 2}
    assert UtilConfig("tool", subcommand="other").load().config == {}


def test_formats_are_found_by_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "my-tool.toml").write_text("[formats.mine]\ndescription='Mine.'\nformat='{a}'\n")
    made = Tool("my-tool", initial_dict={"formats": dict(BUILTIN)}).load()
    assert [made.get_format_string(name) for name in ("mine", "default", "{id}")] == [
        "{a}",
        "{x}",
        "{id}",
    ]
    for name in ("help", "get-config=mine"):
        with pytest.raises(SystemExit) as ended:
            made.get_format_string(name)
        assert ended.value.code == 0
    told = capsys.readouterr().out
    assert "\nConfigured my-tool output formats:\n\n  default      The usual.\n" in told
    assert '[formats.mine]\ndescription = "Mine."\nformat = "{a}"\n' in told
    for name in ("nope", "get-config=nope"):
        with pytest.raises(ValueError, match="--format: No such format nope"):
            made.get_format_string(name)
    monkeypatch.setenv("MY_TOOL_FORMAT_DEFAULT", "mine")
    assert made.get_format_string("default") == "{a}"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x =", "tool.toml: Invalid value"),
        ("formats = 3", "the 'formats' key must be a mapping"),
        ("formats.bad = 3", "'formats.bad' must be a mapping"),
        ("formats.bad.x = 3", "formats.bad: required key 'format' missing"),
        ("formats.bad.format = 3", "formats.bad: 'format' key must be a string"),
        ("formats.default.format = ''", "override of builtin format 'default' not permitted"),
    ],
)
def test_what_a_file_may_not_say_names_the_file(text: str, reason: str, folder: Path) -> None:
    (folder / "tool.toml").write_text(text)
    with pytest.raises(ValueError, match=rf"{folder}/tool\.toml: .*") as refused:
        Tool("tool").load()
    assert reason in str(refused.value)


def test_a_file_is_an_object_of_a_jobspec(tmp_path: Path) -> None:
    script = tmp_path / "s.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o700)
    assert Fileref(str(script)) == {
        "mode": stat.S_IFREG | 0o700,
        "size": 10,
        "encoding": "utf-8",
        "data": "#!/bin/sh\n",
    }
    assert Fileref({"a": 1}) == {"mode": stat.S_IFREG | 0o600, "data": {"a": 1}}
    assert Fileref("QQ==", 0o640, "base64") == {
        "mode": stat.S_IFREG | 0o640,
        "data": "QQ==",
        "encoding": "base64",
    }
    with pytest.raises(FileNotFoundError):
        Fileref(str(tmp_path / "nothing"))


def test_texts_of_missing_values() -> None:
    assert {"", "0s", "0:00:00"} <= set(empty_outputs())
