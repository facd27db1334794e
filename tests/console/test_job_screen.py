"""The job screen: panes, the bar of the job's life, the card that says why, keys."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from textual.events import MouseScrollDown, MouseScrollUp

from tests.console.driving import loaded, shows, text_of, until
from tests.console.test_snapshots import SIZES
from tui.app import TopApp
from tui.model.jobid import f58
from tui.model.stamps import Stamps
from tui.screens.dmesg import DmesgScreen
from tui.screens.job import JobScreen
from tui.screens.jobs import JobsScreen
from tui.screens.prompt import PromptScreen
from tui.widgets import palette
from tui.widgets.life_bar import LifeBar
from tui.widgets.log_view import LogView
from tui.widgets.why_panel import WhyPanel

if TYPE_CHECKING:
    from pathlib import Path

    from textual.pilot import Pilot

    from flux.wire.json import JsonMapping, JsonObject
    from tui.feed.base import JobItem
    from tui.feed.synthetic import SyntheticFeed

MakeApp = Callable[..., TopApp]
Compare = Callable[..., bool]
SIZE = (130, 40)
STORED: dict[str, Any] = {
    "jobspec": {
        "version": 1,
        "resources": [
            {"type": "slot", "count": 2, "with": [{"type": "core", "count": 1}], "label": "task"}
        ],
        "tasks": [
            {"command": ["lammps", "-in", "melt.in"], "slot": "task", "count": {"per_slot": 1}}
        ],
        "attributes": {
            "system": {
                "cwd": "/home/alice/runs/42",
                "duration": 0,
                "environment": {"PATH": "/usr/bin:/bin", "HOME": "/home/alice"},
            }
        },
    },
    "R": {
        "version": 1,
        "execution": {
            "R_lite": [{"rank": "0", "children": {"core": "0-1"}}],
            "nodelist": ["vm"],
            "expiration": 0,
        },
    },
}
PARENT = 4242 << 24


@pytest.fixture(autouse=True)
def stored(feed: SyntheticFeed) -> None:
    feed.stored = STORED


async def open_job(pilot: Pilot[Any], *keys: str) -> JobScreen:
    """Open the first job of a filter and wait until all of it has been read."""
    await loaded(pilot)
    await pilot.press(*keys, "enter")
    await until(pilot, lambda: isinstance(pilot.app.screen, JobScreen))
    return await read(pilot)


async def read(pilot: Pilot[Any]) -> JobScreen:
    screen = pilot.app.screen
    assert isinstance(screen, JobScreen)
    await until(pilot, lambda: screen.composed and screen.finished and screen.stored is not None)
    screen.live_update()
    await pilot.pause()
    return screen


async def test_each_pane_has_its_number_and_what_it_says(
    make_app: MakeApp, feed: SyntheticFeed
) -> None:
    feed.answers["kvs.lookup"] = kvs
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        screen = await open_job(pilot, "4")
        for key, words in (
            ("2", "rank0/core0"),
            ("3", "exec.shell.init"),
            ("4", 'command: ["lammps","-in","melt.in"]'),
            ("5", "rank 0 (vm): core 0-1"),
            ("6", "HOME=/home/alice"),
            ("7", "because:"),
            ("8", "guest.output"),
            ("1", "step  119"),
        ):
            await pilot.press(key)
            await until(pilot, partial(shows, pilot, words))
            assert screen.pane.has_focus
        await pilot.press("shift+tab")
        assert screen.pane.id == "keys"
        await pilot.press("tab", "tab")
        assert screen.pane.id == "eventlog"


def kvs(payload: JsonMapping, _rank: int) -> JsonObject:
    """Answer as the KVS does: a directory with another one, a value, and a list of blobs."""
    if str(payload["key"]).endswith(".guest"):
        return {"val": {"type": "dir", "data": {"output": {"type": "valref", "data": ["a", "b"]}}}}
    entries = {"R": {"type": "val", "data": "abcd"}, "guest": {"type": "dirref", "data": ["x"]}}
    return {"val": {"type": "dir", "data": entries}}


async def test_keys_that_cannot_be_read_are_said_so(make_app: MakeApp, feed: SyntheticFeed) -> None:
    feed.refuse = "the KVS is the owner's"
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await open_job(pilot)
        await pilot.press("8")
        await until(pilot, lambda: "cannot be read: the KVS is the owner's" in text_of(pilot))


async def test_output_and_events_stand_side_by_side_and_one_can_have_all(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        screen = await open_job(pilot)
        shown = [view.id for view in screen.query(LogView) if view.display]
        assert shown == ["output", "eventlog"]
        await pilot.press("z")
        assert [view.id for view in screen.query(LogView) if view.display] == ["output"]
        assert not screen.query_one(LifeBar).display
        await pilot.press("z")
        assert screen.query_one(LifeBar).display
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: not screen.view_of("eventlog").display)
        await pilot.click("#tabs", offset=(15, 0))
        assert screen.pane.id == "eventlog"


async def test_events_and_objects_can_be_raw(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        screen = await open_job(pilot)
        await pilot.press("2", "r")
        texts = [line.text for line in screen.pane.content]
        assert json.loads(texts[0])["name"] == "submit"
        await pilot.press("4")
        page = "\n".join(line.text for line in screen.pane.content)
        assert json.loads(page) == STORED["jobspec"]
        await pilot.press("r", "2")
        assert screen.pane.content[0].text.startswith("submit ")


async def test_one_stream_alone(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        screen = await open_job(pilot)
        seen = []
        for _ in range(3):
            await pilot.press("s")
            seen.append((len(screen.pane.content), {line.kind for line in screen.pane.content}))
        assert seen == [(17, {"stderr"}), (103, {"stdout"}), (120, {"stdout", "stderr"})]
        await pilot.press("s")
        assert "stderr only, 17 of 120 lines" in text_of(pilot)


async def test_times_before_lines(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        screen = await open_job(pilot)
        await pilot.press("2")
        assert screen.pane.stamps is Stamps.SINCE
        assert "19.000s  finish" in text_of(pilot)
        await pilot.press("t")
        assert "00:20:48.000  finish" in text_of(pilot)
        await pilot.press("t")
        assert "Nov21 00:20:48.000  finish" in text_of(pilot)
        await pilot.press("t")
        assert screen.pane.text_start == 0


async def test_errors_are_gone_to(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        screen = await open_job(pilot)
        await pilot.press("home", "e")
        assert screen.pane.top_line == 0
        marked = [screen.pane._marked]  # noqa: SLF001 - no other sign but a colour
        await pilot.press("e", "E", "E")
        marked.append(screen.pane._marked)  # noqa: SLF001
        assert marked == [3, 115]
        await pilot.press("5", "e")
        await until(pilot, lambda: "no line here tells of an error" in text_of(pilot))


async def test_a_search_can_be_an_expression_and_says_when_it_is_none(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        screen = await open_job(pilot)
        await pilot.press("slash", *"step +1.[05]")
        assert len(screen.pane.hits) == 3
        await pilot.press(*"(")
        await until(pilot, lambda: "of the text itself" in text_of(pilot))
        assert screen.pane.hits == []


async def test_long_lines_are_wrapped(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        screen = await open_job(pilot)
        pane = screen.pane
        pane.extend([pane.content[0]._replace(text="word " * 100)])
        before = pane.virtual_size.height
        await pilot.press("W")
        assert pane.virtual_size.height > before == 121
        await pilot.press("W")
        assert pane.virtual_size.height == before


async def test_what_the_mouse_selects_is_copied(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        screen = await open_job(pilot)
        await pilot.press("home")
        left = screen.pane.text_start + 2  # the border and the space beside it
        await pilot.mouse_down("#output", offset=(left, 1))
        await pilot.hover("#output", offset=(left + 9, 2))
        await pilot.mouse_up("#output", offset=(left + 9, 2))
        await pilot.press("y")
        assert app.clipboard.splitlines()[0].startswith("step    0  energy")
        assert app.clipboard.splitlines()[1] == "step    1 "


async def test_the_next_job_has_the_same_pane_and_the_cursor_follows(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        first = await open_job(pilot)
        await pilot.press("7", "right_square_bracket")
        second = await read(pilot)
        assert second.jobid != first.jobid
        assert second.pane.id == "describe"
        await pilot.press("left_square_bracket")
        assert (await read(pilot)).jobid == first.jobid
        await pilot.press("left_square_bracket")
        await until(pilot, lambda: "this is the first job" in text_of(pilot))
        await pilot.press("right_square_bracket")
        await read(pilot)
        await pilot.press("escape")
        screen = app.screen
        assert isinstance(screen, JobsScreen)
        row = screen.table.cursor_row
        assert row is not None
        assert app.dashboard.table.ids[row] == second.jobid


def waiting_job() -> JsonObject:
    return {
        "id": 4243 << 24,
        "userid": 0,
        "urgency": 16,
        "priority": -1,
        "state": 2,
        "name": "child",
        "t_submit": 1_795_220_400.0,
        "dependencies": [f"after-success={f58(PARENT)}"],
    }


async def test_the_job_it_waits_for_is_a_key_away(make_app: MakeApp, feed: SyntheticFeed) -> None:
    parent = {**waiting_job(), "id": PARENT, "name": "parent", "dependencies": [], "state": 8}
    feed.jobs = [parent, waiting_job()]
    feed.entries = {}
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await open_job(pilot, "slash", *"name:child", "enter")
        text = text_of(pilot)
        assert "why it waits" in text
        assert f"-> {f58(PARENT)} parent: sched" in text
        assert f"o opens {f58(PARENT)}  c cancels it" in text
        await pilot.press("o")
        await until(pilot, lambda: getattr(app.screen, "jobid", 0) == PARENT)
        await read(pilot)
        await pilot.press("o")
        await until(pilot, lambda: "this job waits for no other" in text_of(pilot))


async def test_the_job_it_waits_for_is_a_click_away(make_app: MakeApp, feed: SyntheticFeed) -> None:
    parent = {**waiting_job(), "id": PARENT, "name": "parent", "dependencies": [], "state": 8}
    feed.jobs = [parent, waiting_job()]
    feed.entries = {}
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        screen = await open_job(pilot, "slash", *"name:child", "enter")
        await pilot.click("#why", offset=(5, 1))
        await pilot.pause()
        assert app.screen is screen
        await pilot.click("#why", offset=(5, 2))
        await until(pilot, lambda: getattr(app.screen, "jobid", 0) == PARENT)


async def test_the_wheel_pauses_and_follows(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        pane = (await open_job(pilot)).pane
        pane.post_message(MouseScrollUp(pane, 5, 5, 0, 0, 0, False, False, False))
        await until(pilot, lambda: not pane.following)
        await until(pilot, lambda: pane.scroll_offset.y < pane.max_scroll_y)
        for _ in range(4):
            pane.post_message(MouseScrollDown(pane, 5, 5, 0, 0, 0, False, False, False))
        await until(pilot, lambda: pane.following)


async def test_a_read_only_dashboard_offers_nothing_that_changes(
    make_app: MakeApp, feed: SyntheticFeed
) -> None:
    feed.jobs = [waiting_job()]
    feed.entries = {}
    app = make_app(read_only=True)
    async with app.run_test(size=SIZE) as pilot:
        screen = await open_job(pilot)
        assert "cancels it" not in text_of(pilot)
        assert screen.check_action("attach", ()) is False


async def test_the_bar_has_the_phases_and_what_happened(
    make_app: MakeApp, feed: SyntheticFeed
) -> None:
    events = list(feed.entries["eventlog"])
    raised = {"type": "oom", "severity": 2, "note": "x", "userid": 0}
    events.insert(5, {"timestamp": events[0]["timestamp"] + 9, "name": "exception",
                      "context": raised})  # fmt: skip
    feed.entries["eventlog"] = events
    for glyphs, mark in ((palette.UNICODE, "▲ oom"), (palette.ASCII, "^ oom")):
        app = make_app(glyphs=glyphs)
        async with app.run_test(size=SIZE) as pilot:
            await open_job(pilot, "4")
            text = text_of(pilot)
            for label in ("depend 0.01s", "queued 0.08s", "run 18.9s", "cleanup 0.10s"):
                assert label in text
            assert mark in text
            assert glyphs.bar * 60 in text


async def test_output_that_goes_to_a_file_is_said(make_app: MakeApp, feed: SyntheticFeed) -> None:
    where = {"stream": "stdout", "rank": "0", "path": "/scratch/out.txt"}
    feed.entries["guest.output"] = [{"timestamp": 1.0, "name": "redirect", "context": where}]
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await open_job(pilot)
        assert "stdout goes to file /scratch/out.txt" in text_of(pilot)
        await pilot.press("7", "end")
        assert "/scratch/out.txt" in text_of(pilot)


class LiveOutput:
    """The output of a job as it grows."""

    def __init__(self, feed: SyntheticFeed, monkeypatch: pytest.MonkeyPatch) -> None:
        self.more = asyncio.Event()
        self.end = asyncio.Event()
        self._given = feed.job_entries
        monkeypatch.setattr(feed, "job_entries", self.entries)

    async def entries(self, jobid: int) -> AsyncGenerator[JobItem]:
        items = [item async for item in self._given(jobid)]
        for item in items:
            yield item
        await self.more.wait()
        yield items[-1]
        await self.end.wait()


async def test_a_file_grows_with_the_output_until_it_ends(
    make_app: MakeApp, feed: SyntheticFeed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    live = LiveOutput(feed, monkeypatch)
    path = tmp_path / "out.txt"
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press("enter")
        screen = app.screen
        assert isinstance(screen, JobScreen)
        await until(pilot, lambda: len(screen.view_of("output").content) == 120)
        await pilot.press("w")
        await until(pilot, lambda: isinstance(app.screen, PromptScreen))
        await pilot.press("ctrl+u", *str(path), "enter")
        await until(pilot, lambda: "grows with what comes" in text_of(pilot))
        assert len(path.read_text().splitlines()) == 120
        live.more.set()
        await until(pilot, lambda: len(path.read_text().splitlines()) == 240)
        live.end.set()
        await until(pilot, lambda: "is complete: 240 lines" in text_of(pilot))
        assert screen.growing == {}


async def test_a_file_that_cannot_be_written_is_said_so(make_app: MakeApp, tmp_path: Path) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        screen = await open_job(pilot)
        for name, words in (("", "not a file"), ("no/such/place", "there is no directory")):
            await pilot.press("w")
            await until(pilot, lambda: isinstance(app.screen, PromptScreen))
            await pilot.press("ctrl+u", *str(tmp_path / name), "enter")
            await until(pilot, partial(shows, pilot, words))
            if app.screen is not screen:
                await pilot.press("escape")


async def test_programs_get_the_terminal_and_the_dashboard_comes_back(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "pager"
    script.write_text(f'#!/bin/sh\ncp "$1" {tmp_path}/seen\n')
    script.chmod(0o755)
    monkeypatch.setenv("PAGER", str(script))
    monkeypatch.setenv("VISUAL", "no-such-editor --wait")
    app = make_app()
    monkeypatch.setattr(app, "suspend", contextlib.nullcontext)
    async with app.run_test(size=SIZE) as pilot:
        await open_job(pilot)
        await pilot.press("v")
        seen = tmp_path / "seen"
        await until(pilot, lambda: seen.exists() and len(seen.read_text().splitlines()) == 120)
        await pilot.press("V")
        await until(pilot, lambda: "no-such-editor: no such program" in text_of(pilot))


async def test_without_a_terminal_of_its_own_no_program_is_shown(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAGER", "true")
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await open_job(pilot)
        await pilot.press("v")
        await until(pilot, lambda: "there is no terminal" in text_of(pilot))


async def test_attaching_runs_flux_job_attach_for_this_instance(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script, seen = tmp_path / "flux", tmp_path / "seen"
    script.write_text(f'#!/bin/sh\necho "$FLUX_URI $@" > {seen}.new; mv {seen}.new {seen}\n')
    script.chmod(0o755)
    monkeypatch.setattr("tui.screens.job.screen.flux_program", lambda: str(script))
    monkeypatch.setattr("tui.screens.job.screen.AND_WAIT", ())
    app = make_app()
    monkeypatch.setattr(app, "suspend", contextlib.nullcontext)
    async with app.run_test(size=SIZE) as pilot:
        screen = await open_job(pilot)
        await pilot.press("a")
        await until(pilot, seen.exists)
        uri = app.dashboard.instance.uri
        assert seen.read_text().strip() == f"{uri} job attach {f58(screen.jobid, True)}"


async def test_the_log_shows_some_ranks_only(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press("d")
        screen = app.screen
        assert isinstance(screen, DmesgScreen)
        await until(pilot, lambda: len(screen.pane.content) == 61)
        await pilot.press("R")
        await until(pilot, lambda: isinstance(app.screen, PromptScreen))
        await pilot.press("ctrl+u", *"nonsense", "enter")
        await until(pilot, lambda: "these are no ranks" in text_of(pilot))
        await pilot.press("enter")
        assert isinstance(app.screen, PromptScreen)
        await pilot.press("ctrl+u", *"1-2", "enter")
        await until(pilot, lambda: len(screen.pane.content) == 31)
        assert "ranks 1-2" in text_of(pilot)
        assert "30 hidden" in text_of(pilot)
        await pilot.press("R", "ctrl+u", *"all", "enter")
        await until(pilot, lambda: len(screen.pane.content) == 61)


async def test_two_hundred_thousand_lines_are_all_there(
    make_app: MakeApp, feed: SyntheticFeed
) -> None:
    data = "".join(f"{number}\n" for number in range(200_000))
    context = {"stream": "stdout", "rank": "0", "data": data}
    feed.entries["guest.output"] = [{"timestamp": 1.0, "name": "data", "context": context}]
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        screen = await open_job(pilot)
        await pilot.press("W", "slash", *"^1[0-9]*7$", "enter")
        assert len(screen.pane.content) == 200_000
        assert len(screen.pane.hits) == sum(
            str(number)[0] == "1" and str(number)[-1] == "7" for number in range(200_000)
        )


def at(*keys: str) -> Callable[[Pilot[Any]], Any]:
    async def run(pilot: Pilot[Any]) -> None:
        await open_job(pilot, *keys[: keys.index("enter")])
        await pilot.press(*keys[keys.index("enter") + 1 :])
        pilot.app.screen.query_one(WhyPanel)
        await pilot.pause()

    return run


@SIZES
@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("describe", ("4", "enter", "7")),
        ("jobspec", ("4", "enter", "4")),
        ("resources-raw", ("4", "enter", "5", "r")),
        ("zoomed", ("4", "enter", "2", "z")),
        ("pending", ("3", "enter")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_panes(
    snap_compare: Compare,
    make_app: MakeApp,
    name: str,  # noqa: ARG001 - names the picture
    keys: tuple[str, ...],
    size: tuple[int, int],
) -> None:
    assert snap_compare(make_app(), terminal_size=size, run_before=at(*keys))
