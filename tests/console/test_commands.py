"""The line for commands, the palette, own commands, saved views, and the output of commands."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from textual.command import CommandList, CommandPalette

from tests.console.driving import loaded, text_of, until
from tests.console.test_snapshots import SIZES, after
from tui import processes, settings_file
from tui.app import TopApp
from tui.flux_words import FluxWord, FluxWords
from tui.model.jobid import f58
from tui.model.settings import read_settings
from tui.screens.command_bar import CommandBar
from tui.screens.confirm import ConfirmScreen
from tui.screens.dmesg import DmesgScreen
from tui.screens.help import HelpScreen
from tui.screens.job import JobScreen
from tui.screens.jobs import JobsScreen
from tui.screens.output import OutputScreen
from tui.screens.prompt import MenuScreen

if TYPE_CHECKING:
    from pathlib import Path

    from textual.pilot import Pilot

MakeApp = Callable[..., TopApp]
SIZE = (120, 40)
SETTINGS = """
[views.mine]
query = "state:running name:render"
sort = "-runtime"
[commands.show]
command = "echo got {ids} $FLUX_JOBIDS from $FLUX_URI; exit 3"
key = "ctrl+t"
description = "Show the ids"
confirm = false
[commands.ask]
command = "echo {ids}"
[commands.unseen]
command = "echo alas >&2; exit 4"
background = true
confirm = false
"""


@pytest.fixture
def app(make_app: MakeApp) -> TopApp:
    """An application with views and commands of its own."""
    settings, problems = read_settings(SETTINGS, "top.toml")
    assert problems == []
    return make_app(settings=settings)


@pytest.fixture
def flux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ``flux`` that writes its arguments; whatever completes, it has two words for."""
    path = tmp_path / "flux"
    path.write_text(
        '#!/bin/sh\nif [ "$_FLUX_COMPLETE" ]; then\n'
        'printf "plain\\nls\\nList\\nplain\\nlink\\n_\\n"; exit; fi\n'
        'echo "args: $*"; echo "uri: $FLUX_URI" >&2; [ "$1" = wait ] && exec sleep 1000\nexit 0\n'
    )
    path.chmod(0o755)
    monkeypatch.setattr(processes, "flux_program", lambda: str(path))
    return path


async def typed(pilot: Pilot[Any], line: str) -> None:
    await pilot.press("colon")
    assert isinstance(pilot.app.screen, CommandBar)
    pilot.app.screen.input.value = line
    await pilot.press("enter")


async def output(pilot: Pilot[Any]) -> list[str]:
    """Return the lines of the command on the screen once it has ended."""
    screen = pilot.app.screen
    assert isinstance(screen, OutputScreen)
    await until(
        pilot, lambda: any(line.text.startswith(("exit", "cannot")) for line in _seen(screen))
    )
    return [line.text for line in screen.pane.content]


def _seen(screen: OutputScreen) -> list[Any]:
    screen.live_update()
    return screen.pane.content


async def test_filter_mark_sort_and_theme_by_command(app: TopApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await typed(pilot, "filter state:running")
        assert app.dashboard.view.query.text == "state:running"
        await typed(pilot, "mark state:failed")
        assert len(app.dashboard.marks) == app.dashboard.counts.failed
        await typed(pilot, "unmark")
        assert not app.dashboard.marks
        await typed(pilot, "sort -runtime")
        assert (app.dashboard.view.column.name, app.dashboard.view.reverse) == ("runtime", True)
        await typed(pilot, "theme light")
        assert app.theme == "light"
        await typed(pilot, "set notify.bell false")
        assert not app.settings.notify.bell
        await typed(pilot, "set notify.failures user:me")
        assert app.settings.notify.failures == "user:me"
        await typed(pilot, "set read-only true")
        assert app.dashboard.read_only
        await typed(pilot, "help")
        assert isinstance(app.screen, HelpScreen)
        await pilot.press("escape")
        await typed(pilot, "quit")
        await until(pilot, lambda: not app.is_running)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("filter sate:x", "no field sate; did you mean state?"),
        ("filter", "it is written :filter QUERY"),
        ("quit now", "it is written :quit"),
        ("sort nme", "no column nme; did you mean name?"),
        ("sort", "it is written :sort [-]COLUMN"),
        ("theme drak", "no theme drak; did you mean dark?"),
        ("theme xyz", "no theme xyz; there are dark, light"),
        ("set theme", "which theme? There are dark, light"),
        ("copy rnaks", "no field rnaks; did you mean ranks?"),
        ("export cvs /tmp/x", "no format cvs; did you mean csv?"),
        ("nodes extra", "nodes takes nothing after it: it is written :nodes"),
        ("mine extra", "mine takes nothing after it: it is written :mine"),
        ("nodse", "no command nodse; did you mean nodes?"),
        ("fitler state:failed", "no command fitler; did you mean filter?"),
        ("view x", "no view x; there are mine"),
        ("run x", "no command x; there are show, ask"),
        ("set refresh 2", "refresh is for the file of settings only"),
        ("set sotr 1", "no setting sotr; did you mean sort?"),
        ("set notify.every 0", "must be from 1 to 86400"),
        ("set read-only false", "what is read-only stays so"),
        ("save-view a/b", "names of views are of letters"),
        ("job info {id} 'x", "no closing quotation"),
        ("flux", "it is written :flux COMMAND"),
    ],
)
@pytest.mark.usefixtures("flux")
async def test_what_is_wrong_with_a_line_is_told(app: TopApp, line: str, sentence: str) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await typed(pilot, line)
        await until(pilot, lambda: sentence in app.message.text)
        assert isinstance(app.screen, JobsScreen)


async def test_a_line_is_completed_and_taken_back(app: TopApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press("colon", *"fil", "tab")
        screen = app.screen
        assert isinstance(screen, CommandBar)
        assert screen.input.value == "filter "
        await pilot.press(*"sta", "tab")
        assert screen.input.value == "filter state:"
        await pilot.press("tab", "tab", "shift+tab")
        assert screen.input.value.startswith("filter state:")
        assert len(screen.input.value) > len("filter state:")
        await pilot.press("escape")
        assert isinstance(app.screen, JobsScreen)
        assert app.dashboard.view.query.text == ""


async def test_lines_before_come_back_by_arrows_and_outlive_the_dashboard(
    app: TopApp, make_app: MakeApp
) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await typed(pilot, "theme light")
        await typed(pilot, "unmark")
        await pilot.press("colon", "up", "up")
        assert isinstance(app.screen, CommandBar)
        assert app.screen.input.value == "theme light"
        await pilot.press("down", "down")
        assert app.screen.input.value == ""
    again = make_app()
    async with again.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press("colon", *"the", "up", "enter")
        assert again.theme == "light"


async def test_filters_before_come_back_by_arrows(app: TopApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        for text in ("state:run", "name:render"):
            await pilot.press("slash", "ctrl+u", *text, "enter")
        await pilot.press("escape", "slash", "up", "up")
        assert app.dashboard.view.query.text == "state:run"
        await pilot.press("down")
        assert app.dashboard.view.query.text == "name:render"
        await pilot.press("down")
        assert app.dashboard.view.query.text == ""
    assert settings_file.state_path("top-history").read_text() == "state:run\nname:render\n"


async def test_views_are_chosen_by_menu_by_name_and_by_command(app: TopApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        for keys in (("v", "enter"), ("colon", *"mine", "enter"), ("colon", *"view mine", "enter")):
            await pilot.press("escape", *keys)
            assert app.dashboard.view.query.text == "state:running name:render"
            assert (app.dashboard.view.column.name, app.dashboard.view.reverse) == ("runtime", True)


async def test_a_view_is_saved_and_there_from_then_on(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press("v")
        assert "no views yet" in app.message.text
        await typed(pilot, "filter state:failed")
        await typed(pilot, "save-view bad")
        await typed(pilot, "filter state:running")
        await pilot.press("v")
        assert isinstance(app.screen, MenuScreen)
        await pilot.press("enter")
        assert app.dashboard.view.query.text == "state:failed"
    saved, problems = settings_file.load(settings_file.default_path())
    assert problems == []
    assert saved.views["bad"].query == "state:failed"


async def test_columns_and_grouping_are_shown_and_saved(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await typed(pilot, "columns {id} {name} {ntasks}")
        await until(pilot, lambda: "RANKS" not in text_of(pilot))
        await typed(pilot, "group off")
        assert not app.dashboard.grouping
        await typed(pilot, "save-view lean")
        await typed(pilot, "columns")
        await typed(pilot, "group on")
        assert app.dashboard.chosen_columns is None
        await typed(pilot, "lean")
        assert [column.name.strip("{}") for column in app.dashboard.columns] == [
            "id",
            "name",
            "ntasks",
        ]
        assert not app.dashboard.grouping
        await typed(pilot, "columns {nope}")
        assert "nope" in app.message.text
        assert app.dashboard.format == "{id} {name} {ntasks}"
        await typed(pilot, "group maybe")
        assert "it is written :group on" in app.message.text
    again = make_app(settings=settings_file.chosen(None)[0])
    assert again.settings.views["lean"].columns == "{id} {name} {ntasks}"


async def test_columns_of_the_settings_are_there_from_the_beginning(make_app: MakeApp) -> None:
    settings, problems = read_settings('columns = "{id} {name}"', "top.toml")
    assert problems == []
    app = make_app(settings=settings)
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        assert [column.name.strip("{}") for column in app.dashboard.columns] == ["id", "name"]


async def test_a_name_of_a_view_goes_there(app: TopApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await typed(pilot, "log")
        assert isinstance(app.screen, DmesgScreen)
        await typed(pilot, "jobs")
        assert isinstance(app.screen, JobsScreen)


@pytest.mark.usefixtures("flux")
async def test_any_sub_command_runs_for_the_instance(app: TopApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await typed(pilot, "kvs get 'a b' {id}")
        lines = await output(pilot)
        job = f58(app.dashboard.table.ids[app.dashboard.view.row_at(0)])
        assert f"args: kvs get a b {job}" in lines
        assert f"uri: {app.dashboard.instance.uri}" in lines
        assert lines[-1].startswith("exit code 0 after")
        await pilot.press("R")
        assert len(await output(pilot)) == 3
        await pilot.press("q")
        assert isinstance(app.screen, JobsScreen)


@pytest.mark.usefixtures("flux")
async def test_a_sub_command_that_is_much_like_a_name_of_ours_runs(
    app: TopApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def choices(*_: object) -> list[FluxWord]:
        return [FluxWord("filters"), FluxWord("filters-more")]

    monkeypatch.setattr(FluxWords, "choices", choices)
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await typed(pilot, "filters a b")
        await until(pilot, lambda: isinstance(app.screen, OutputScreen))
        assert "args: filters a b" in await output(pilot)


@pytest.mark.usefixtures("flux")
async def test_marked_jobs_are_asked_about_before_they_are_changed(app: TopApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press("space", "space")
        await typed(pilot, "job cancel {ids}")
        assert isinstance(app.screen, ConfirmScreen)
        assert "Run flux job for 2 jobs?" in text_of(pilot)
        await pilot.press("enter")  # Back
        assert isinstance(app.screen, JobsScreen)
        await typed(pilot, "job cancel {ids}")
        await pilot.press("right", "enter")
        lines = await output(pilot)
        assert sum("args: job cancel " in line and line.count("\u0192") == 2 for line in lines) == 1
        await pilot.press("escape")
        await typed(pilot, "job info {id} R")
        assert "2 jobs are marked" in app.message.text
        await typed(pilot, "job eventlog {ids}")
        assert isinstance(app.screen, OutputScreen)


@pytest.mark.usefixtures("flux")
async def test_a_read_only_dashboard_runs_readers_only(app: TopApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        app.dashboard.read_only = True
        for line in ("job cancel {id}", "kvs put a=b", "python", "nonsense"):
            await typed(pilot, line)
            assert "read-only" in app.message.text
            assert isinstance(app.screen, JobsScreen)
        await pilot.press("ctrl+t")
        assert "read-only: show may change something" in app.message.text
        await typed(pilot, "kvs ls")
        assert isinstance(app.screen, OutputScreen)


@pytest.mark.usefixtures("flux")
async def test_words_of_sub_commands_are_asked_of_flux(app: TopApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press("colon", *"kvs l")
        await until(pilot, lambda: "link" in text_of(pilot))
        assert "List" in text_of(pilot)
        await pilot.press("tab")
        assert isinstance(app.screen, CommandBar)
        assert app.screen.input.value == "kvs ls"


@pytest.mark.usefixtures("flux")
async def test_leaving_ends_a_command_and_it_can_be_interrupted(app: TopApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await typed(pilot, "wait")
        screen = app.screen
        assert isinstance(screen, OutputScreen)
        await until(pilot, lambda: len(_seen(screen)) == 2)
        await pilot.press("R")
        assert "still runs" in app.message.text
        await pilot.press("I")
        assert (await output(pilot))[-1].startswith("exit code 130 after")
        await pilot.press("R")
        await until(pilot, lambda: len(_seen(screen)) == 2)
        await pilot.press("escape")
        await until(pilot, lambda: screen.command.status is not None or not screen.is_running)
        process = screen.command._process  # noqa: SLF001 - nothing else tells whether it has gone
        assert process is not None
        await until(pilot, lambda: process.returncode is not None)


async def test_a_program_that_is_not_there_is_told(
    app: TopApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "flux_program", lambda: "/no/such/flux")
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await typed(pilot, "jobs -a")
        assert (await output(pilot))[-1] == "cannot be run: No such file or directory"


async def test_an_own_command_has_the_jobs_and_the_instance(app: TopApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press("space", "space", "ctrl+t")
        lines = await output(pilot)
        marked = " ".join(map(f58, sorted(app.dashboard.marks)))
        assert lines[0] == f"got {marked} {marked} from {app.dashboard.instance.uri}"
        assert lines[-1].startswith("exit code 3")


async def test_an_own_command_asks_if_it_says_so(app: TopApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await typed(pilot, "ask")
        assert isinstance(app.screen, ConfirmScreen)
        await pilot.press("right", "enter")
        assert (await output(pilot))[0].startswith("\u0192")


async def test_an_own_command_in_the_background_tells_how_it_ended(app: TopApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await typed(pilot, "run unseen")
        await until(pilot, lambda: "unseen: exit code 4: alas" in app.message.text)
        assert isinstance(app.screen, JobsScreen)


async def test_an_own_command_for_jobs_needs_one(app: TopApp, feed: Any) -> None:
    feed.jobs = []
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press("ctrl+t")
        assert app.message.text == "no job is chosen"


async def test_the_palette_does_what_it_offers(app: TopApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        for words, done in (
            ("Theme light", lambda: app.theme == "light"),
            ("View mine", lambda: app.dashboard.view.query.text.startswith("state:running")),
            ("Show failed jobs", lambda: app.dashboard.view.query.text.startswith("state:failed")),
            ("The log of the broker", lambda: isinstance(app.screen, DmesgScreen)),
        ):
            await pilot.press("ctrl+p")
            assert isinstance(app.screen, CommandPalette)
            await pilot.press(*words)
            await until(pilot, lambda: _offers(app) > 0)
            await pilot.press("enter")
            await until(pilot, done)


def _offers(app: TopApp) -> int:
    return app.screen.query_one(CommandList).option_count


async def test_the_palette_has_the_actions_of_the_screen_and_no_way_out_first(app: TopApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press("ctrl+p")
        await until(pilot, lambda: _offers(app) > 20)
        offered = app.screen.query_one(CommandList).options
        assert "Quit" not in str(offered[0].prompt)
        assert any("Cancel the marked jobs" in str(option.prompt) for option in offered)
        assert any("Run show" in str(option.prompt) for option in offered)
        await pilot.press("escape")
        app.dashboard.read_only = True
        await pilot.press("ctrl+p")
        await until(pilot, lambda: _offers(app) > 20)
        offered = app.screen.query_one(CommandList).options
        assert not any("Cancel the marked jobs" in str(option.prompt) for option in offered)


async def test_the_palette_opens_the_line_for_what_needs_more(app: TopApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press("ctrl+p", *"Mark the jobs that match")
        await until(pilot, lambda: _offers(app) > 0)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, CommandBar))
        assert isinstance(app.screen, CommandBar)
        assert app.screen.input.value == "mark "


async def test_commands_are_there_on_every_screen(app: TopApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press("enter")
        assert isinstance(app.screen, JobScreen)
        await typed(pilot, "run show")
        assert (await output(pilot))[0].startswith("got \u0192")
        assert os.environ.get("FLUX_JOBIDS") is None


@SIZES
@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("command", ("colon",)),
        ("command-completed", ("colon", *"theme ", "tab", "tab")),
        ("palette", ("ctrl+p",)),
        ("views", ("v",)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_pictures(
    snap_compare: Callable[..., bool],
    app: TopApp,
    name: str,  # noqa: ARG001 - names the picture
    keys: tuple[str, ...],
    size: tuple[int, int],
) -> None:
    assert snap_compare(app, terminal_size=size, run_before=after(*keys))
