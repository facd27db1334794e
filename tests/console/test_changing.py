"""Changing jobs: every action on one job, on marked ones, refused, and on jobs it is not for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from flux.security import unwrap
from flux.wire import json
from tests.console.driving import loaded, text_of, until
from tui.app import TopApp
from tui.feed.synthetic import SyntheticFeed
from tui.model.jobid import f58
from tui.model.states import PENDING, SCHED
from tui.screens.confirm import ConfirmScreen
from tui.screens.jobs import JobsScreen
from tui.screens.prompt import MenuScreen, PromptScreen

if TYPE_CHECKING:
    from textual.pilot import Pilot

MakeApp = Callable[..., TopApp]
TOPICS = (
    "job-manager.urgency",
    "job-manager.raise",
    "job-manager.annotate",
    "job-manager.update",
)


@pytest.fixture(autouse=True)
def answering(feed: SyntheticFeed) -> None:
    """The instance takes all changes."""
    feed.answers.update({topic: {} for topic in TOPICS})
    feed.answers["job-ingest.submit"] = {"id": 1 << 40}


def at_cursor(app: TopApp) -> int:
    screen = app.screen
    assert isinstance(screen, JobsScreen)
    row = screen.table.cursor_row
    assert row is not None
    return app.dashboard.table.ids[row]


async def asked(pilot: Pilot[Any], feed: SyntheticFeed, number: int) -> None:
    await until(pilot, lambda: len(feed.asked) >= number)


@pytest.mark.parametrize(
    ("keys", "topic", "payload"),
    [
        (("H",), "job-manager.urgency", {"urgency": 0}),
        (("L",), "job-manager.urgency", {"urgency": 16}),
        (("U", *"20", "enter"), "job-manager.urgency", {"urgency": 20}),
        (("U", *"hold", "enter"), "job-manager.urgency", {"urgency": 0}),
        (
            ("T", *"90m", "enter"),
            "job-manager.update",
            {"updates": {"attributes.system.duration": 5400.0}},
        ),
        (
            ("A", *"note", "space", *"more", "space", *"memory", "enter"),
            "job-manager.annotate",
            {"annotations": {"user": {"note": "more memory"}}},
        ),
        (
            ("A", *"note", "enter"),
            "job-manager.annotate",
            {"annotations": {"user": {"note": None}}},
        ),
        (
            ("X", *"check", "space", *"3", "space", *"odd", "enter"),
            "job-manager.raise",
            {"type": "check", "severity": 3, "note": "odd"},
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
async def test_each_change_of_one_waiting_job(
    make_app: MakeApp,
    feed: SyntheticFeed,
    keys: tuple[str, ...],
    topic: str,
    payload: dict[str, Any],
) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await loaded(pilot)
        await pilot.press("3")
        jobid = at_cursor(app)
        await pilot.press(*keys)
        await asked(pilot, feed, 1)
        assert [(name, sent) for name, sent, _ in feed.asked] == [(topic, {"id": jobid, **payload})]


async def test_a_change_is_for_the_job_that_was_asked_about(
    make_app: MakeApp, feed: SyntheticFeed
) -> None:
    app = make_app()
    async with app.run_test(size=(100, 30)) as pilot:
        await loaded(pilot)
        await pilot.press("3", "Z")
        jobid = at_cursor(app)
        await pilot.press("U")
        name = app.dashboard.table.name[app.dashboard.table.row_of[jobid]]
        assert f"Which urgency for {f58(jobid)} {name}?" in text_of(pilot)
        # It starts, and leaves the list of pending jobs: the cursor goes to another.
        entry = {"name": "alloc", "timestamp": app.dashboard.clock(), "context": {}}
        app.dashboard.table.state[app.dashboard.table.row_of[jobid]] = SCHED
        app.dashboard.apply([{"id": jobid, "entry": entry}])
        app.dashboard.settle()
        await pilot.press(*"20", "enter")
        await until(pilot, lambda: isinstance(app.screen, JobsScreen))
        assert at_cursor(app) != jobid
        assert "it does not wait any more" in app.message.text
        assert not [it for it in feed.asked if it[0] == "job-manager.urgency"]


async def test_an_exception_that_ends_a_job_is_asked_first(
    make_app: MakeApp, feed: SyntheticFeed
) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await loaded(pilot)
        await pilot.press("X", *"cancel", "enter")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        assert not feed.asked
        await pilot.press("tab", "enter")
        await asked(pilot, feed, 1)
        assert feed.asked[0][1]["severity"] == 0


async def test_marked_jobs_are_asked_about_and_changed_together(
    make_app: MakeApp, feed: SyntheticFeed
) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await loaded(pilot)
        await pilot.press("3", "space", "space", "H")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        assert "Hold 2 jobs?" in text_of(pilot)
        marked = set(app.dashboard.marks)
        await pilot.press("tab", "enter")
        await asked(pilot, feed, 2)
        assert {sent["id"] for _, sent, _ in feed.asked} == marked
        await until(pilot, lambda: not app.dashboard.marks)


async def test_a_change_that_nothing_can_be_done_for_is_told(
    make_app: MakeApp, feed: SyntheticFeed
) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await loaded(pilot)
        for keys in (("5", "H"), ("2", "U"), ("5", "T"), ("5", "A"), ("5", "X")):
            app.message.text = ""
            await pilot.press(*keys)
            assert app.message.text.startswith("nothing to change"), keys
        assert not feed.asked


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (("U", *"soon", "enter"), "an urgency is a number from 0 to 31"),
        (("T", *"later", "enter"), "a time limit is a number"),
        (("A", "space", "enter"), "an annotation is a key and a value"),
        (("X", "enter"), "an exception needs a type"),
        (("M", *"stat:x", "enter"), "did you mean"),
        (("M", "enter"), "no query is typed"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
async def test_what_cannot_be_read_is_told_and_can_be_mended(
    make_app: MakeApp, feed: SyntheticFeed, keys: tuple[str, ...], told: str
) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await loaded(pilot)
        await pilot.press("3", *keys)
        assert isinstance(app.screen, PromptScreen)
        assert told in text_of(pilot)
        await pilot.press("z")
        assert told not in text_of(pilot)
        await pilot.press("escape")
        assert isinstance(app.screen, JobsScreen)
        assert not feed.asked


async def test_refusals_are_told_and_stay_marked(make_app: MakeApp, feed: SyntheticFeed) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await loaded(pilot)
        feed.refuse = "only the owner may"
        await pilot.press("3", "space", "L", "tab", "enter")
        await until(pilot, lambda: "only the owner may" in app.message.text)
        assert len(app.dashboard.marks) == 1


async def test_a_job_is_run_again_without_what_it_depended_on(
    make_app: MakeApp, feed: SyntheticFeed
) -> None:
    feed.stored["jobspec"]["attributes"]["system"]["dependencies"] = [{"scheme": "afterok"}]
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await loaded(pilot)
        await pilot.press("5", "ctrl+r")
        await asked(pilot, feed, 1)
        topic, request, _ = feed.asked[0]
        assert topic == "job-ingest.submit"
        assert request["urgency"] == 16
        jobspec = json.loads(unwrap(request["J"])[0])
        assert jobspec["tasks"] == [{"command": ["lammps", "-in", "melt.in"]}]
        assert "dependencies" not in jobspec["attributes"]["system"]


async def test_the_menu_has_every_action_and_does_what_is_chosen(
    make_app: MakeApp, feed: SyntheticFeed
) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await loaded(pilot)
        await pilot.press("3", "m")
        await until(pilot, lambda: isinstance(app.screen, MenuScreen))
        text = text_of(pilot)
        for meaning in ("Cancel", "signal", "urgency", "Hold", "Release", "Annotate", "Go into"):
            assert meaning in text
        await pilot.press("j", "j", "j", "enter")
        await asked(pilot, feed, 1)
        assert feed.asked[0][1]["urgency"] == 0
        await pilot.press("m", "escape")
        assert isinstance(app.screen, JobsScreen)


async def test_marks_by_a_query_add_to_those_there_are(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await loaded(pilot)
        await pilot.press("2", "space")
        one = set(app.dashboard.marks)
        await pilot.press("M", *"state:pending", "enter")
        table = app.dashboard.table
        waiting = {table.ids[row] for row in range(len(table)) if table.status[row] in PENDING}
        assert app.dashboard.marks == one | waiting


async def test_read_only_changes_nothing(make_app: MakeApp, feed: SyntheticFeed) -> None:
    app = make_app(read_only=True)
    async with app.run_test(size=(120, 40)) as pilot:
        await loaded(pilot)
        await pilot.press("3")
        for key in ("U", "H", "L", "T", "A", "X", "ctrl+r", "m"):
            await pilot.press(key)
            assert isinstance(app.screen, JobsScreen), key
        assert not feed.asked


# Instances


async def test_an_inner_instance_is_entered_and_left(
    make_app: MakeApp, feed: SyntheticFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = SyntheticFeed(feed.jobs[:3])
    closed = asyncio.Event()

    async def close() -> None:
        closed.set()

    monkeypatch.setattr(inner, "close", close)
    opened: list[str] = []

    def connect(uri: str) -> SyntheticFeed:
        opened.append(uri)
        return inner

    uri = "ssh://n1/tmp/x/local-0"
    feed.answers["job-list.list-id"] = {"job": {"annotations": {"user": {"uri": uri}}}}
    app = make_app(connect=connect)
    async with app.run_test(size=(120, 40)) as pilot:
        await loaded(pilot)
        jobid = at_cursor(app)
        outer = app.dashboard
        await pilot.press("i")
        await until(pilot, lambda: len(app.dashboard.table) == 3)
        assert opened == [uri]
        assert app.dashboard is not outer
        app.repaint()
        await pilot.pause()
        assert f"vm › {f58(jobid)}" in text_of(pilot)
        await pilot.press("enter")
        await pilot.pause()
        assert f"vm › {f58(jobid)} › job ƒ" in text_of(pilot)
        await pilot.press("escape", "escape")
        assert app.dashboard is outer
        await asyncio.wait_for(closed.wait(), 60)


async def test_a_job_that_is_no_instance_is_told(make_app: MakeApp, feed: SyntheticFeed) -> None:
    feed.answers["job-list.list-id"] = {"job": {"annotations": {}}}
    app = make_app(connect=lambda _uri: SyntheticFeed())
    async with app.run_test(size=(120, 40)) as pilot:
        await loaded(pilot)
        await pilot.press("i")
        await until(pilot, lambda: "not a Flux instance" in app.message.text)
        assert app.session.parent is None


async def test_tabs_are_opened_turned_and_closed(make_app: MakeApp, feed: SyntheticFeed) -> None:
    app = make_app(connect=lambda _uri: SyntheticFeed(feed.jobs[:5]))
    async with app.run_test(size=(120, 40)) as pilot:
        await loaded(pilot)
        app.open_instance("local:///other", "other")
        await until(pilot, lambda: len(app.dashboard.table) == 5)
        app.repaint()
        await pilot.pause()
        assert "1 vm  2 other" in text_of(pilot).replace("   ", " ")
        await pilot.press("ctrl+left")
        assert len(app.dashboard.table) == 300
        await pilot.press("alt+2")
        assert len(app.dashboard.table) == 5
        await pilot.press("enter", "ctrl+w")
        assert len(app.tabs) == 1
        assert len(app.dashboard.table) == 300
        await pilot.press("ctrl+w")
        assert "the last instance" in app.message.text


async def test_views_are_gone_to_from_anywhere(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await loaded(pilot)
        await pilot.press("enter", "f9", "f9")
        assert [type(screen).__name__ for screen in app.screen_stack][-2:] == [
            "JobScreen",
            "DmesgScreen",
        ]
        await pilot.press("f2")
        assert isinstance(app.screen, JobsScreen)
