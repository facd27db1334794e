"""The job-archive module against a scripted job-list and job-info, and its file."""

from __future__ import annotations

import asyncio
import errno
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from broker.configuration import Config
from broker.configuration.tables import ArchiveConfig
from broker.services.job_archive.database import ArchiveFile
from broker.services.job_archive.service import FILE, JobArchiveService
from broker.testing.harness import ServiceHarness

if TYPE_CHECKING:
    import pathlib

SOON = 60.0
HOUR = 3600.0


class Jobs:
    """What job-list and job-info know."""

    def __init__(self) -> None:
        self.ended: dict[int, float] = {}
        self.without_resources: set[int] = set()
        self.purged: set[int] = set()
        self.failure: int | None = None
        self.rounds = 0

    def listed(self, payload: dict[str, Any]) -> dict[str, Any]:
        self.rounds += 1
        if self.failure is not None:
            raise OSError(self.failure, "job-list says no")
        assert payload["max_entries"] == 0
        newest_first = sorted(self.ended, key=lambda id: -self.ended[id])
        return {"jobs": [self.job(id) for id in newest_first if self.ended[id] > payload["since"]]}

    def job(self, id: int) -> dict[str, Any]:
        ended = self.ended[id]
        job: dict[str, Any] = {"id": id, "userid": 7, "t_submit": ended - 2, "t_inactive": ended}
        if id not in self.without_resources:
            job |= {"ranks": "0-1", "t_run": ended - 1, "t_cleanup": ended}
        return job

    def looked_up(self, payload: dict[str, Any]) -> dict[str, Any]:
        if payload["id"] in self.purged:
            raise OSError(errno.ENOENT, "")
        assert payload["flags"] == 2  # as updates have changed it
        assert ("R" in payload["keys"]) == (payload["id"] not in self.without_resources)
        return {"id": payload["id"]} | {key: f"{key}\udcff" for key in payload["keys"]}


class Archive:
    """A module and what it wrote."""

    def __init__(self, folder: pathlib.Path, jobs: Jobs, **keys: Any) -> None:
        self.path = folder / "archive"
        self.jobs = jobs
        self.harness = ServiceHarness(
            JobArchiveService,
            rpcs={"job-list.list-inactive": jobs.listed, "job-info.lookup": jobs.looked_up},
            config=Config(archive=ArchiveConfig(dbpath=str(self.path), **keys)),
        )

    async def whole_life(self) -> None:
        await self.harness.start()
        await self.harness.stop()

    def rows(self, columns: str = "id") -> list[Any]:
        with closing(sqlite3.connect(self.path)) as db:
            return db.execute(f"SELECT {columns} FROM jobs ORDER BY t_inactive").fetchall()


async def test_what_has_ended_is_there_after_the_end(tmp_path: pathlib.Path) -> None:
    jobs = Jobs()
    jobs.ended = {n: 1000.0 + n for n in range(200)}  # more than one transaction
    jobs.without_resources = {4}
    jobs.purged = {5}
    archive = Archive(tmp_path, jobs, period=HOUR)
    await archive.whole_life()
    assert [id for (id,) in archive.rows()] == [str(n) for n in range(200) if n != 5]
    columns = "userid, ranks, t_submit, t_run, t_cleanup, t_inactive, eventlog, jobspec, R"
    found = archive.rows(columns)
    assert found[3] == (
        *(7, "0-1", 1001.0, 1002.0, 1003.0, 1003.0),
        *("eventlog\ufffd", "jobspec\ufffd", "R\ufffd"),
    )
    assert found[4] == (7, "", 1002.0, 0.0, 0.0, 1004.0, "eventlog\ufffd", "jobspec\ufffd", None)
    assert archive.path.stat().st_mode & 0o777 == 0o600


async def test_a_later_run_adds_what_is_new(tmp_path: pathlib.Path) -> None:
    jobs = Jobs()
    jobs.ended = {1: 1000.0, 2: 1001.0}
    await Archive(tmp_path, jobs, period=HOUR).whole_life()
    # One ended in the same instant as one that is there, one a moment before it.
    jobs.ended |= {3: 1001.0, 4: 1000.5}
    jobs.purged = {1, 2}  # what is in the file is not read again
    archive = Archive(tmp_path, jobs, period=HOUR)
    await archive.whole_life()
    assert {id for (id,) in archive.rows()} == {"1", "2", "3", "4"}


async def test_it_is_done_every_period_and_a_reload_changes_that(tmp_path: pathlib.Path) -> None:
    jobs = Jobs()
    archive = Archive(tmp_path, jobs, period=HOUR)
    await archive.harness.start()
    jobs.ended = {1: 1000.0}
    archive.harness.service.configure(Config(archive=ArchiveConfig(period=0.01)))
    async with asyncio.timeout(SOON):
        while jobs.rounds < 3:
            await asyncio.sleep(0.005)
    assert archive.rows() == [("1",)]
    await archive.harness.stop()


@pytest.mark.parametrize("failure", [errno.ENOSYS, errno.EIO])
async def test_a_round_that_fails_is_made_up_for(tmp_path: pathlib.Path, failure: int) -> None:
    jobs = Jobs()
    jobs.ended, jobs.failure = {1: 1000.0}, failure
    archive = Archive(tmp_path, jobs, period=0.01)
    await archive.harness.start()
    async with asyncio.timeout(SOON):
        while jobs.rounds < 2:
            await asyncio.sleep(0.005)
    assert archive.rows() == []
    said = [entry.text for entry in archive.harness.logs if "not archived" in entry.text]
    assert bool(said) == (failure != errno.ENOSYS)
    jobs.failure = None
    await archive.harness.stop()
    assert archive.rows() == [("1",)]


async def test_a_file_that_others_write_is_waited_for_in_the_next_round(
    tmp_path: pathlib.Path,
) -> None:
    jobs = Jobs()
    jobs.ended = {1: 1000.0}
    archive = Archive(tmp_path, jobs, period=0.01, busytimeout=0.0)
    await archive.harness.start()
    with closing(sqlite3.connect(archive.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        async with asyncio.timeout(SOON):
            while not archive.harness.service.facts()["error"]:
                await asyncio.sleep(0.005)
        assert "locked" in str(archive.harness.service.facts()["error"])
        other.execute("ROLLBACK")
    await archive.harness.stop()
    assert archive.rows() == [("1",)]


async def test_where_the_file_is(tmp_path: pathlib.Path) -> None:
    store, rundir = tmp_path / "store", tmp_path / "run"
    store.mkdir()
    rundir.mkdir()
    for attrs, folder in (
        ({"content.backing-path": f"{store}/content.sqlite"}, store),
        ({}, rundir),
    ):
        harness = ServiceHarness(JobArchiveService, rundir=str(rundir), attrs=attrs)
        await harness.start()
        assert harness.service.facts()["path"] == str(folder / FILE)
        await harness.stop()


async def test_what_cannot_be_an_archive_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "archive").write_text("something else, and longer than a header of SQLite " * 9)
    with pytest.raises(OSError, match="not a database") as raised:
        await Archive(tmp_path, Jobs()).harness.start()
    assert raised.value.errno == errno.EINVAL
    harness = ServiceHarness(
        JobArchiveService, config=Config(archive=ArchiveConfig(dbpath=f"{tmp_path}/none/archive"))
    )
    with pytest.raises(OSError, match="none/archive: No such file"):
        await harness.start()
    with pytest.raises(OSError, match="rank 0"):
        await ServiceHarness(JobArchiveService, rank=1, size=2).start()
    with pytest.raises(OSError, match="unknown option: x"):
        await ServiceHarness(JobArchiveService).start(["x"])


def test_a_table_with_other_columns_is_refused(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "other"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE jobs (id TEXT, t_inactive REAL)")
        db.commit()
    with pytest.raises(OSError, match="other columns") as raised:
        ArchiveFile(str(path), 1.0)
    assert raised.value.errno == errno.EINVAL


def test_the_link_of_somebody_else_is_not_followed(tmp_path: pathlib.Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match="job archive") as raised:
        ArchiveFile(str(tmp_path / "link"), 1.0)
    assert raised.value.errno == errno.ELOOP
    assert not (tmp_path / "target").exists()
