"""The list of keys."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.console.driving import loaded, text_of, until
from tui.app import TopApp
from tui.model.settings import read_settings
from tui.screens.help import HelpScreen

MakeApp = Callable[..., TopApp]


async def test_two_columns_by_groups_where_there_is_room(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=(120, 120)) as pilot:
        await loaded(pilot)
        await pilot.press("question_mark")
        await until(pilot, lambda: "Jobs  " in text_of(pilot) and "Everywhere" in text_of(pilot))
        text = text_of(pilot)
        for title in ("Jobs", "Look", "Move", "Everywhere", "Filter language"):
            assert title in text
        titles = ("Jobs", "Look", "Move", "Everywhere", "Filter language")
        in_line = [sum(f" {title} " in line for title in titles) for line in text.splitlines()]
        assert max(in_line[3:]) == 2  # the first lines are those of the screen below


async def test_one_column_where_there_is_not(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        await pilot.press("question_mark")
        await until(pilot, lambda: "Open the job" in text_of(pilot))
        assert "Esc closes this" in text_of(pilot)
        await pilot.press(*["pagedown"] * 8)
        assert "free letters in order" in text_of(pilot)


async def test_keys_are_those_that_the_user_gave(make_app: MakeApp) -> None:
    settings, _ = read_settings('[keys]\njobs.cancel = "f20"', "top.toml")
    app = make_app(settings=settings)
    async with app.run_test(size=(120, 60)) as pilot:
        await loaded(pilot)
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        assert isinstance(app.screen, HelpScreen)
        rows = {meaning: keys for keys, meaning in app.screen.rows()}
        assert rows["Cancel the marked jobs or this one"] == "f20"


async def test_a_read_only_dashboard_lists_no_keys_that_it_lacks(make_app: MakeApp) -> None:
    app = make_app(read_only=True)
    async with app.run_test(size=(120, 60)) as pilot:
        await loaded(pilot)
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        assert isinstance(app.screen, HelpScreen)
        meanings = {meaning for _, meaning in app.screen.rows()}
        assert "Cancel the marked jobs or this one" not in meanings
        assert "Open the job under the cursor" in meanings


@pytest.mark.parametrize(
    ("view", "meanings"),
    [
        ("f4", {"q": "Back"}),
        (
            "f9",
            {"q": "Back", "R": "Show only entries of some ranks", "v": "Show this pane in $PAGER"},
        ),
    ],
)
async def test_a_key_has_the_meaning_that_it_has_on_this_screen(
    make_app: MakeApp, view: str, meanings: dict[str, str]
) -> None:
    app = make_app()
    async with app.run_test(size=(120, 60)) as pilot:
        await loaded(pilot)
        await pilot.press(view, "question_mark")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        assert isinstance(app.screen, HelpScreen)
        listed = [(key, meaning) for keys, meaning in app.screen.rows() for key in keys.split()]
        for key, meaning in meanings.items():
            assert [what for name, what in listed if name == key] == [meaning]
