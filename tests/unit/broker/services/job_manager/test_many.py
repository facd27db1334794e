"""What a submission costs in messages, commits and operations, whatever else is submitted: counted,
not timed.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from flux.constants import FLUX_JOB_URGENCY_HOLD
from flux.job.JobID import kvs_key
from flux.security import sign
from flux.wire import json

from .cluster import Cluster, jobspec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

JOBS = 1000


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    world = Cluster()
    await world.start()
    yield world
    await world.stop()


async def submitted(cluster: Cluster, count: int) -> list[int]:
    """Submit held jobs as fast as a client can; returns their ids."""
    signed = sign(json.dumps(jobspec()), 0).decode()
    payload = {"J": signed, "urgency": FLUX_JOB_URGENCY_HOLD, "flags": 0}
    ingest = cluster.ingest
    tags = [ingest.submit("job-ingest.submit", payload) for _ in range(count)]
    await ingest.until(lambda: all(ingest.replies(tag) for tag in tags))
    return [int(ingest.replies(tag)[0].json()["id"]) for tag in tags]


def commits(cluster: Cluster) -> list[list[dict[str, Any]]]:
    sent = (*cluster.manager.sent, *cluster.ingest.sent)
    return [msg.json()["ops"] for msg in sent if msg.topic == "kvs.commit"]


async def test_a_submission_is_one_commit_with_all_that_is_stored_of_it(cluster: Cluster) -> None:
    (id,) = await submitted(cluster, 1)
    (ops,) = commits(cluster)
    assert sorted(op["key"] for op in ops) == sorted(
        kvs_key(id, name) for name in ("J", "jobspec", "eventlog")
    )
    assert json.loads(cluster.kvs.values[kvs_key(id, "jobspec")]) == jobspec()


async def test_commits_and_messages_of_many_submissions(cluster: Cluster) -> None:
    ids = await submitted(cluster, JOBS)
    made = commits(cluster)
    assert len(made) < JOBS / 2, "a slow machine takes in few at a time"
    assert sum(map(len, made)) == 3 * JOBS, "three values a job, each written once"
    places = Counter(kvs_key(id) for id in ids)
    for ops in made:
        for key, count in Counter(op["key"].rpartition(".")[0] for op in ops).items():
            assert (count, places[key]) == (3, 1), "a job is in one commit, whole"
    passed_on = [msg for msg in cluster.ingest.sent if msg.topic == "job-manager.submit"]
    assert len(passed_on) < JOBS / 2
