"""How far apart the events of several jobs are stored."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from broker.services.job_manager.rhythm import Rhythm
from tests.unit.broker.services.job_manager.cluster import Cluster

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from broker.services.job_manager.journal import Journal


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    world = Cluster()
    await world.start()
    yield world
    await world.stop()


def heard_more(journal: Journal, than: int) -> bool:
    return journal.posted + journal.backlog > than


def note(cluster: Cluster, id: int) -> None:
    """Have an event in a job's eventlog that nobody waits for."""
    core = cluster.manager.service.core
    core.machine.post(core.active_job(id), "note", {})
    core.turn_soon()


def test_the_first_commit_and_those_of_one_job_alone_wait_for_nothing() -> None:
    rhythm = Rhythm(0.5)
    rhythm.committed([1], 1, 10.0)
    assert rhythm.wait([1], 10.1) == 0.0
    assert Rhythm(0.5).wait([1], 0.0) == 0.0


def test_events_of_another_job_wait_for_what_is_left_of_the_interval() -> None:
    rhythm = Rhythm(0.5)
    rhythm.committed([1], 1, 10.0)
    assert rhythm.wait([1, 2], 10.1) == pytest.approx(0.4)
    rhythm.committed([1, 2], 1, 10.0)
    assert rhythm.wait([1], 10.1) == pytest.approx(0.4)
    assert rhythm.wait([2], 10.5) == 0.0
    assert rhythm.wait([2], 99.0) == 0.0


def test_the_more_events_there_were_the_longer_the_next_ones_are_gathered_up_to_a_bound() -> None:
    rhythm = Rhythm()
    waits = []
    for events in (1, 5, 8, 12, 20, 256):
        rhythm.committed([1], events, 10.0)
        waits.append(rhythm.wait([2], 10.0))
    assert waits == pytest.approx([0.005, 0.005, 0.008, 0.012, 0.02, 0.02])


async def test_a_job_alone_lives_without_a_pause(cluster: Cluster) -> None:
    cluster.manager.service.core.journal.rhythm = Rhythm(3600)
    job = await cluster.submit()
    await cluster.until_event(job, "clean")
    assert cluster.names(job)[-1] == "clean"


async def test_events_that_nobody_waits_for_are_stored_together(cluster: Cluster) -> None:
    journal = cluster.manager.service.core.journal
    jobs = [await cluster.submit(urgency=0) for _ in range(8)]
    await cluster.manager.until(lambda: journal.idle)
    commits = []
    for interval in (0.0, 0.2):
        journal.rhythm = Rhythm(interval)
        before = journal.commits
        for job in jobs:
            heard = journal.posted + journal.backlog
            note(cluster, job)
            await cluster.manager.until(partial(heard_more, journal, heard))
            if not interval:
                await cluster.manager.until(lambda: journal.idle)
        await cluster.manager.until(lambda: journal.idle)
        commits.append(journal.commits - before)
    assert commits == [8, 2]


async def test_who_waits_for_an_answer_is_not_made_to_wait(cluster: Cluster) -> None:
    journal = cluster.manager.service.core.journal
    held = await cluster.submit(urgency=0)
    await cluster.manager.until(lambda: journal.idle)
    journal.rhythm = Rhythm(3600)
    journal.rhythm.committed([held], 1, cluster.manager.ctx.loop_time())
    other = await cluster.submit(urgency=0)
    assert other != held
    note(cluster, held)
    await cluster.manager.until(lambda: journal.backlog > 0)
    assert "note" not in cluster.names(held)
    exception = {"id": held, "type": "note", "severity": 7}
    await cluster.manager.request("job-manager.raise", exception)
    assert cluster.names(held)[-2:] == ["note", "exception"]
