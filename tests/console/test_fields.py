"""What the table knows of a job beside its state, from the job list and from events, of our broker
and of older ones.
"""

from __future__ import annotations

import errno
import time
from typing import TYPE_CHECKING, Any, cast

import pytest

from flux.core.handle import Flux
from flux.job.attributes import JOB_ATTRIBUTES
from flux.job.Jobspec import JobspecV1
from flux.job.submit import submit
from flux.testing.instance import Instance, running_instance
from tests.console.driving import loaded, text_of, until
from tui.app import TopApp
from tui.feed.live import LiveFeed
from tui.feed.requests import SHOWN_LATER, known_attributes
from tui.model.query import Query
from tui.widgets import palette

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flux.aio import AsyncFlux
    from tui.model.dashboard import Dashboard


@pytest.fixture
def steady_world() -> None:
    """A real instance has the real time."""


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(1) as running:
        yield running


def run_job(instance: Instance, cwd: Path, **system: object) -> int:
    handle = Flux(instance.uri)
    jobspec = JobspecV1.from_command(["sleep", "100"], num_tasks=1)
    jobspec.cwd, jobspec.environment, jobspec.duration = str(cwd), {"PATH": "/bin"}, 600
    for name, value in system.items():
        jobspec.setattr(f"system.{name}", value)
    try:
        return int(submit(handle, jobspec))
    finally:
        handle.close()


def found(dashboard: Dashboard, query: str) -> set[int]:
    table = dashboard.table
    matches = Query.parse(query).compile(table, time.time())
    assert matches is not None
    return {table.ids[row] for row in range(len(table)) if matches(row)}


async def test_fields_come_from_the_list_and_from_events_alike(
    instance: Instance, tmp_path: Path
) -> None:
    listed = run_job(instance, tmp_path, bank="physics", project="melt")
    app = TopApp(LiveFeed(instance.uri), glyphs=palette.UNICODE)
    async with app.run_test(size=(200, 40)) as pilot:
        await loaded(pilot)
        told = run_job(instance, tmp_path, bank="biology", project="fold")
        dashboard = app.dashboard
        table = dashboard.table
        await until(pilot, lambda: bool(found(dashboard, "bank:biology")))
        both = table.rows([listed, told])
        assert len(both) == 2
        assert {table.cwd[row] for row in both} == {str(tmp_path)}
        assert {table.ncores[row] for row in both} == {1}
        assert {table.duration[row] for row in both} == {600.0}
        assert found(dashboard, "bank:physics project:melt") == {listed}
        assert found(dashboard, "bank:bio*,x ncores:1 limit:10m") == {told}
        assert found(dashboard, "limit>10m") == set()
        app.repaint()
        await until(pilot, lambda: "PROJECT" in text_of(pilot))
        assert "physics" in text_of(pilot)
        await pilot.press("slash", *"limit:10m", "enter")
        assert "2 of 2" in text_of(pilot)
        instance.run("job", "cancelall", "-f")


class ListOfAttributes:
    """What a broker says of the attributes that it knows."""

    def __init__(self, *known: str, error: int = 0) -> None:
        self.known, self.error = list(known), error

    async def rpc(self, topic: str, payload: Any = None, **_: Any) -> dict[str, Any]:
        assert (topic, payload) == ("job-list.list-attrs", None)
        if self.error:
            raise OSError(self.error, "refused")
        return {"attrs": self.known}


@pytest.mark.parametrize(
    ("broker", "version", "later"),
    [
        (ListOfAttributes("id", *JOB_ATTRIBUTES), "0.29.0", ()),
        (ListOfAttributes("id", "queue", *JOB_ATTRIBUTES), "0.40.0", ("queue",)),
        (ListOfAttributes(error=errno.ENOSYS), "0.29.0", ()),
        (ListOfAttributes(error=errno.ENOSYS), "0.88.0-1-gabc", SHOWN_LATER),
    ],
)
async def test_brokers_are_asked_for_what_they_know(
    broker: ListOfAttributes, version: str, later: tuple[str, ...]
) -> None:
    asked = await known_attributes(cast("AsyncFlux", broker), version)
    assert asked == (*JOB_ATTRIBUTES, *later)
