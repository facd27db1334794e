"""The table as text for other programs, and files that are written whole or not at all."""

from __future__ import annotations

import asyncio
import csv
import errno
import io
import json
import os
import stat
from typing import TYPE_CHECKING

import pytest

from tui import written_file
from tui.model import sample
from tui.model.export import FIELDS, as_csv, as_json_lines, as_row, harmless
from tui.model.table import JobTable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = 1_795_220_449.0


@pytest.fixture
def table() -> JobTable:
    table = JobTable()
    table.load(sample.jobs(2500, NOW))
    return table


def test_csv_has_a_heading_and_a_line_for_each_job(table: JobTable) -> None:
    pieces = list(as_csv(table, range(2500), NOW))
    rows = list(csv.DictReader(io.StringIO("".join(pieces))))
    assert len(rows) == 2500
    assert len(pieces) == 3
    assert list(rows[0]) == list(FIELDS)
    assert rows[7]["name"] == table.name[7]
    assert {row["status"] for row in rows} >= {"run", "completed", "failed"}


def test_no_jobs_are_a_heading(table: JobTable) -> None:
    assert "".join(as_csv(table, [], NOW)).startswith("id,user,status")
    assert "".join(as_json_lines(table, [], NOW)) == ""


def test_lines_of_json_have_numbers_as_numbers_and_nothing_for_what_is_not_known(
    table: JobTable,
) -> None:
    found = [
        json.loads(line) for line in "".join(as_json_lines(table, range(300), NOW)).splitlines()
    ]
    assert len(found) == 300
    waiting = next(job for job in found if job["status"] == "sched")
    assert (waiting["t_run"], waiting["exit"], waiting["runtime"]) == (None, None, None)
    failed = next(job for job in found if job["status"] == "failed")
    assert isinstance(failed["t_inactive"], float)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_no_cell_is_a_formula(text: str) -> None:
    made = harmless(text)
    assert isinstance(made, str)
    assert made.startswith("'")
    assert made.isprintable()


def test_other_cells_are_as_they_are() -> None:
    assert [harmless(value) for value in ("a=b", "x,y", -3, 1.5, None)] == [
        "a=b", "x,y", -3, 1.5, None,
    ]  # fmt: skip


def test_names_of_jobs_are_data_in_every_format() -> None:
    table = JobTable()
    name = '=cmd|"/c calc"!A1'
    table.load([{"id": 1, "state": 16, "userid": 0, "name": name}])
    (_, row) = csv.reader(io.StringIO("".join(as_csv(table, [0], NOW))))
    assert row[3] == f"'{name}"
    assert json.loads("".join(as_json_lines(table, [0], NOW)))["name"] == name
    assert as_row(table, 0, NOW).split("\t")[3] == name


async def test_a_file_is_written_by_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    before = os.umask(0o027)
    try:
        assert await written_file.write(path, ["one\n", "two\n"], over=False) == 8
    finally:
        os.umask(before)
    assert path.read_text() == "one\ntwo\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


async def test_another_file_is_written_over_only_if_that_is_meant(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("mine")
    with pytest.raises(FileExistsError):
        await written_file.write(path, ["other"], over=False)
    assert path.read_text() == "mine"
    await written_file.write(path, ["other"], over=True)
    assert path.read_text() == "other"
    assert os.listdir(tmp_path) == ["x.csv"]


async def test_what_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    def pieces() -> Iterator[str]:
        yield "one"
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError) as caught:
        await written_file.write(tmp_path / "x", pieces(), over=False)
    assert caught.value.errno == errno.ENOSPC
    assert os.listdir(tmp_path) == []


async def test_others_have_their_turn_while_a_long_table_is_written(
    tmp_path: Path, table: JobTable
) -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    rows = [row for _ in range(40) for row in range(2500)]
    await written_file.write(tmp_path / "x", as_json_lines(table, rows, NOW), over=False)
    counting.cancel()
    assert turns >= len(rows) / 1000
    with open(tmp_path / "x", encoding="utf-8") as file:
        assert sum(1 for _ in file) == 100_000


def test_places_are_as_they_are_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert written_file.place(" ~/a b.csv ") == tmp_path / "a b.csv"
    assert written_file.place("x/../y") == tmp_path / "y"
    assert written_file.refusal(tmp_path / "x.csv") == ""
    assert written_file.refusal(tmp_path) == "there is something that is not a file"
    assert "no directory" in written_file.refusal(tmp_path / "no" / "x.csv")
