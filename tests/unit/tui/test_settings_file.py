"""Where settings are, how they are read, and how views get into them."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from tui import settings_file
from tui.model.settings import SavedView, TopSettings, read_settings
from tui.model.settings_text import DEFAULT_TEXT

MINE = SavedView("mine", 'user:me name:"a b"', "-runtime", "{id.f58}", True)


def test_places_are_those_of_the_xdg_specification(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/etc/mine")
    monkeypatch.setenv("XDG_STATE_HOME", "not/absolute")
    monkeypatch.setenv("HOME", "/home/alice")
    assert settings_file.default_path() == Path("/etc/mine/flux/top.toml")
    assert settings_file.state_path("x") == Path("/home/alice/.local/state/flux/x")


def test_a_saved_view_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "top.toml"
    settings_file.save_view(path, MINE)
    settings, problems = settings_file.load(path)
    assert problems == []
    assert settings.views == {"mine": MINE}


def test_saving_keeps_comments_order_mode_and_other_views(tmp_path: Path) -> None:
    path = tmp_path / "top.toml"
    path.write_text(
        '# mine\ntheme = "light" # nice\n[views.a]\nquery = "x" # a\n[notify]\nbell=true\n'
    )
    path.chmod(0o600)
    settings_file.save_view(path, MINE)
    text = path.read_text()
    for kept in ("# mine\n", 'theme = "light" # nice\n', 'query = "x" # a\n', "bell=true\n"):
        assert kept in text
    settings, problems = read_settings(text, "f")
    assert problems == []
    assert set(settings.views) == {"a", "mine"}
    assert settings.theme == "light"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_saving_under_a_name_that_is_there_replaces_that_view(tmp_path: Path) -> None:
    path = tmp_path / "top.toml"
    path.write_text(DEFAULT_TEXT)
    settings_file.save_view(path, MINE)
    settings_file.save_view(path, SavedView("mine", "state:run"))
    settings, problems = settings_file.load(path)
    assert problems == []
    assert settings.views == {"mine": SavedView("mine", "state:run")}
    assert path.read_text().startswith(DEFAULT_TEXT)


def test_saving_follows_a_symbolic_link(tmp_path: Path) -> None:
    real, link = tmp_path / "dotfiles.toml", tmp_path / "top.toml"
    real.write_text("")
    link.symlink_to(real)
    settings_file.save_view(link, MINE)
    assert link.is_symlink()
    assert settings_file.load(real)[0].views == {"mine": MINE}


def test_what_cannot_be_saved_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "top.toml"
    path.write_text("views = 3\n")
    with pytest.raises(OSError) as caught:
        settings_file.save_view(path, MINE)
    assert str(path) in str(caught.value.strerror)
    assert path.read_text() == "views = 3\n"
    assert os.listdir(tmp_path) == ["top.toml"]


def test_what_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "top.toml"
    for data, code in ((b"\xff", errno.EINVAL), (b"#" * (2 << 20), errno.EFBIG)):
        path.write_bytes(data)
        with pytest.raises(OSError) as caught:
            settings_file.load(path)
        assert caught.value.errno == code
        assert str(path) in str(caught.value.strerror)
    with pytest.raises(OSError) as caught:
        settings_file.load(tmp_path)
    assert caught.value.errno == errno.EISDIR


def test_no_file_is_no_mistake_and_a_bad_one_costs_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = tmp_path / "flux" / "top.toml"
    assert settings_file.chosen(None) == (TopSettings(), [], path)
    path.parent.mkdir()
    path.write_text('theme = "light"\nascii = 4\n')
    settings, problems, _ = settings_file.chosen(None)
    assert settings.theme == "light"
    assert problems == [f"{path}:2: ascii: must be true or false"]
    path.write_text("x =")
    settings, problems, _ = settings_file.chosen(None)
    assert settings == TopSettings()
    assert problems[0].startswith(f"{path}:1: ")


def test_a_file_that_changes_has_another_stamp(tmp_path: Path) -> None:
    path = tmp_path / "top.toml"
    assert settings_file.stamp(path) is None
    path.write_text("")
    first = settings_file.stamp(path)
    path.write_text("ascii = true")
    assert first is not None
    assert settings_file.stamp(path) not in (None, first)
