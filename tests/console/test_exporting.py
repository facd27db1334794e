"""Copying, and writing tables and screens to files."""

from __future__ import annotations

import csv
import errno
import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.console.driving import loaded, text_of, until
from tests.console.test_commands import typed
from tests.console.test_snapshots import SIZES, after
from tui.app import TopApp
from tui.model.jobid import f58
from tui.screens.jobs import JobsScreen
from tui.screens.prompt import MenuScreen, PromptScreen

if TYPE_CHECKING:
    from pathlib import Path

    from tui.feed.synthetic import SyntheticFeed

MakeApp = Callable[..., TopApp]
SIZE = (120, 40)


@pytest.fixture(autouse=True)
def in_a_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


async def test_the_table_is_written_as_the_filter_shows_it(
    make_app: MakeApp, tmp_path: Path
) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press("4", "x", "enter")
        assert isinstance(app.screen, PromptScreen)
        assert f"Write {len(app.dashboard.view)} jobs as CSV" in text_of(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: "wrote" in app.message.text)
        (path,) = tmp_path.glob("*.csv")
        assert path.name == "flux-jobs-20261121-002049.csv"
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        ids = app.dashboard.table.ids
        assert [row["id"] for row in rows] == [f58(ids[row]) for row in app.dashboard.view.rows()]


async def test_marked_jobs_are_written_alone(make_app: MakeApp, tmp_path: Path) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press("space", "space")
        await typed(pilot, "export jsonl some jobs.jsonl")
        await until(pilot, lambda: "wrote" in app.message.text)
        lines = (tmp_path / "some jobs.jsonl").read_text().splitlines()
        assert {json.loads(line)["id"] for line in lines} == set(map(f58, app.dashboard.marks))


async def test_the_screen_is_written_as_it_was_before_the_question(
    make_app: MakeApp, tmp_path: Path
) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press("x", "down", "down", "enter", "enter")
        await until(pilot, lambda: "wrote" in app.message.text)
        (path,) = tmp_path.glob("*.svg")
        text = path.read_text()
        assert "JOBID" in text
        assert "which&#160;file" not in text


async def test_another_file_is_not_written_over_unless_that_is_said(
    make_app: MakeApp, tmp_path: Path
) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("mine")
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await typed(pilot, "export csv mine.csv")
        assert isinstance(app.screen, MenuScreen)
        await pilot.press("enter")
        assert path.read_text() == "mine"
        await typed(pilot, "export csv mine.csv")
        await pilot.press("down", "enter")
        await until(pilot, lambda: "wrote" in app.message.text)
        assert path.read_text().startswith("id,user")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("export", "it is written :export FORMAT FILE"),
        ("export csv", "it is written :export csv FILE"),
        ("export xls x", "no format xls; there are csv, jsonl, svg"),
        ("export csv no/such/x.csv", "there is no directory"),
        ("export csv .", "there is something that is not a file"),
        ("copy", "it is written :copy WHAT"),
        ("copy all", "no field all"),
    ],
)
async def test_what_cannot_be_written_or_copied_is_told(
    make_app: MakeApp, line: str, sentence: str
) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await typed(pilot, line)
        assert sentence in app.message.text


async def test_a_full_disk_is_one_sentence(
    make_app: MakeApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        monkeypatch.setattr("tui.written_file.os.link", full)
        monkeypatch.setattr("tui.written_file.os.rename", full)
        await typed(pilot, "export jsonl x.jsonl")
        await until(pilot, lambda: "No space left" in app.message.text)
        assert isinstance(app.screen, JobsScreen)
        assert list(tmp_path.glob("*.jsonl*")) == []


async def test_ids_fields_and_rows_are_copied(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        first = app.dashboard.view.row_at(0)
        await typed(pilot, "copy id")
        assert app.clipboard == f58(app.dashboard.table.ids[first])
        await typed(pilot, "copy name")
        assert app.clipboard == app.dashboard.table.name[first]
        await pilot.press("space", "space")
        await typed(pilot, "copy row")
        assert [line.split("\t")[0] for line in app.clipboard.splitlines()] == [
            f58(jobid) for jobid in sorted(app.dashboard.marks)
        ]
        assert "copied 2 lines" in app.message.text
        await pilot.press("Y")
        assert "2 jobs are marked" in app.message.text


async def test_the_command_of_a_job_is_copied(make_app: MakeApp, feed: SyntheticFeed) -> None:
    feed.stored["jobspec"] = {
        "resources": [{"type": "slot", "count": 2, "with": [{"type": "core", "count": 1}]}],
        "tasks": [{"command": ["lammps", "-in", "a b"], "count": {"per_slot": 1}}],
        "attributes": {"system": {"cwd": "/home/alice"}},
    }
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press("Y")
        await until(pilot, lambda: "copied flux mini submit" in app.message.text)
        assert app.clipboard == (
            "flux mini submit -n2 '--setattr=system.cwd=\"/home/alice\"' lammps -in 'a b'"
        )
        await typed(pilot, "set submit flux submit")
        await pilot.press("Y")
        await until(pilot, lambda: app.clipboard.startswith("flux submit -n2 "))
        feed.stored = {}
        await pilot.press("ctrl+y", "enter")
        await until(pilot, lambda: "no command for it" in app.message.text)


@SIZES
@pytest.mark.parametrize(
    ("name", "keys"),
    [("export", ("x",)), ("copy", ("ctrl+y",)), ("where", ("x", "enter"))],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_pictures(
    snap_compare: Callable[..., bool],
    make_app: MakeApp,
    name: str,  # noqa: ARG001 - names the picture
    keys: tuple[str, ...],
    size: tuple[int, int],
) -> None:
    assert snap_compare(make_app(), terminal_size=size, run_before=after(*keys))
