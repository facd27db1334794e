"""Settings in the running dashboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.console.driving import loaded, text_of, until
from tui.model.settings import read_settings
from tui.screens.confirm import ConfirmScreen
from tui.screens.prompt import MenuScreen
from tui.widgets import palette

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tui.app import TopApp

    MakeApp = Callable[..., TopApp]


@pytest.fixture
def configured(make_app: MakeApp, tmp_path: Path) -> Callable[[str], TopApp]:
    """Return a maker of applications by the text of their settings."""

    def make(text: str) -> TopApp:
        path = tmp_path / "top.toml"
        path.write_text(text)
        settings, problems = read_settings(text, str(path))
        return make_app(settings=settings, settings_path=path, problems=problems)

    return make


async def test_keys_are_exchanged(configured: Callable[[str], TopApp]) -> None:
    app = configured('[keys]\njobs.cancel = "K"\njobs.kill = "c"')
    async with app.run_test(size=(120, 40)) as pilot:
        await loaded(pilot)
        await pilot.press("K")
        assert isinstance(app.screen, ConfirmScreen)
        await pilot.press("escape", "c")
        assert isinstance(app.screen, MenuScreen)
        await pilot.press("escape", "question_mark")
        assert "K" in text_of(pilot)


async def test_a_theme_of_ones_own_is_worn(configured: Callable[[str], TopApp]) -> None:
    app = configured('theme = "mine"\n[themes.mine]\nbase = "light"\nbackground = "#aabbcc"')
    async with app.run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        assert app.theme == "mine"
        assert app.screen.styles.background.hex == "#AABBCC"


async def test_mistakes_are_told_and_the_rest_is_used(configured: Callable[[str], TopApp]) -> None:
    app = configured('theme = "light"\n[keys]\njobs.cancel = "s"\njobs.mark = "f20"\n')
    async with app.run_test(size=(160, 40)) as pilot:
        await loaded(pilot)
        assert "top.toml:3: keys.jobs.cancel: s is the key of jobs.sort" in app.message.text
        assert app.theme == "light"
        await pilot.press("f20")
        assert len(app.dashboard.marks) == 1


async def test_a_file_that_changes_is_read_again(
    configured: Callable[[str], TopApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.configured.LOOK_SECONDS", 0.05)
    app = configured('theme = "light"')
    async with app.run_test(size=(120, 40)) as pilot:
        await loaded(pilot)
        assert app.settings_path is not None
        app.settings_path.write_text('theme = "high-contrast"\n[keys]\njobs.mark = "f20"')
        await until(pilot, lambda: app.theme == "high-contrast")
        await pilot.press("f20")
        assert len(app.dashboard.marks) == 1
        app.settings_path.write_text("theme = ")
        await until(pilot, lambda: "top.toml:1: invalid value" in app.message.text)
        assert app.theme == "high-contrast"


async def test_reading_again_says_so(configured: Callable[[str], TopApp]) -> None:
    app = configured("")
    async with app.run_test(size=(120, 40)) as pilot:
        await loaded(pilot)
        await pilot.press("f12")
        assert "read again" in app.message.text
        assert app.settings_path is not None
        app.settings_path.unlink()
        await pilot.press("f12")
        assert "No such file" in app.message.text


async def test_ascii_is_a_setting(configured: Callable[[str], TopApp]) -> None:
    app = configured("ascii = true")
    assert app.fitting_glyphs() is palette.ASCII
