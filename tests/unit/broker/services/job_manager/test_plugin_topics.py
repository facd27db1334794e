"""Which topics a job's life has, in which order and with which arguments: flux-jobtap-plugins(7),
and flux-core 0.88 where the page leaves it open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from broker.services.job_manager.service import JobManagerService
from broker.testing.harness import ServiceHarness
from flux.wire import json

from .cluster import Cluster, jobspec
from .plugged import load, logged, plugin_of, remove

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator

TRACE = """
trace = []


def flux_plugin_init(plugin):
    plugin.trace = trace
    plugin.add_handler("*", called)


def called(plugin, topic, args):
    trace.append((topic, dict(args)))
    if topic == "job.new":
        plugin.job_subscribe(args["id"])
"""

FACTS = {"jobspec", "id", "state", "userid", "urgency", "priority", "t_submit"}
"""What the page lists without a condition."""


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    cluster = Cluster()
    await cluster.start()
    yield cluster
    await cluster.stop()


def trace_of(cluster: Cluster) -> list[tuple[str, dict[str, Any]]]:
    plugin: Any = plugin_of(cluster)
    return list(plugin.trace)


# Topic, state, previous state, priority, further arguments.
LIFE: list[tuple[str, int, int | None, int, set[str]]] = [
    ("job.validate", 1, None, -1, set()),
    ("job.dependency.begin-time", 1, None, -1, {"dependency"}),
    ("job.new", 1, None, -1, set()),
    ("job.event.submit", 2, None, -1, {"entry"}),
    ("job.state.depend", 2, 1, -1, {"entry"}),
    ("job.event.dependency-add", 2, None, -1, {"entry"}),
    ("job.event.dependency-remove", 2, None, -1, {"entry"}),
    ("job.event.depend", 4, None, -1, {"entry"}),
    ("job.state.priority", 4, 2, -1, {"entry"}),
    ("job.event.priority", 8, None, 16, {"entry"}),
    ("job.state.sched", 8, 4, 16, {"entry"}),
    ("job.event.alloc", 16, None, 16, {"entry", "R"}),
    ("job.state.run", 16, 8, 16, {"entry", "R"}),
    ("job.event.start", 16, None, 16, {"entry", "R"}),
    ("job.event.finish", 32, None, 16, {"entry", "R"}),
    ("job.state.cleanup", 32, 16, 16, {"entry", "R"}),
    ("job.event.release", 32, None, 16, {"entry", "R"}),
    ("job.event.free", 32, None, 16, {"entry", "R"}),
    ("job.event.clean", 64, None, 16, {"entry", "R"}),
    ("job.state.inactive", 64, 32, 16, {"entry", "R"}),
]


async def test_the_life_of_a_job(cluster: Cluster, tmp_path: pathlib.Path) -> None:
    await load(cluster, tmp_path, TRACE)
    begin = [{"scheme": "begin-time", "value": "1.5"}]
    id = await cluster.submit(jobspec(dependencies=begin), userid=0)
    await cluster.until_event(id, "clean")
    trace = trace_of(cluster)
    assert [topic for topic, _ in trace] == [topic for topic, *_ in LIFE]
    for (topic, args), (_, state, previous, priority, more) in zip(trace, LIFE, strict=True):
        wanted = FACTS | more | ({"prev_state"} if previous is not None else set())
        assert set(args) == wanted, topic
        assert (args["id"], args["state"], args.get("prev_state")) == (id, state, previous), topic
        assert (args["priority"], args["urgency"], args["userid"]) == (priority, 16, 0), topic
        assert type(args["t_submit"]) is float
        system = args["jobspec"]["attributes"]["system"]
        assert "environment" not in system
        assert system["dependencies"] == begin
    assert dict(trace)["job.dependency.begin-time"]["dependency"] == begin[0]
    events = [args["entry"] for topic, args in trace if topic.startswith("job.event.")]
    assert events == cluster.eventlog(id)
    assert all(
        args["entry"] == events[events.index(args["entry"])]
        for topic, args in trace
        if topic.startswith("job.state.")
    )


async def test_a_new_urgency_and_a_canceled_job(cluster: Cluster, tmp_path: pathlib.Path) -> None:
    await load(cluster, tmp_path, TRACE)
    id = await cluster.submit(urgency=0)
    plugin: Any = plugin_of(cluster)
    plugin.trace.clear()
    assert cluster.sched is not None
    cluster.manager.service.core.machine.sched_lost()
    await cluster.manager.request("job-manager.urgency", {"id": id, "urgency": 20})
    await cluster.manager.request("job-manager.raise", {"id": id, "type": "x", "severity": 3})
    await cluster.manager.request("job-manager.raise", {"id": id, "type": "y", "severity": 0})
    seen = [(t, a["state"], a.get("prev_state"), a["priority"]) for t, a in plugin.trace]
    assert seen == [
        ("job.event.urgency", 4, None, 0),
        ("job.state.priority", 4, 8, 0),
        ("job.event.priority", 8, None, 20),
        ("job.state.sched", 8, 4, 20),
        ("job.event.exception", 8, None, 20),
        ("job.event.exception", 32, None, 20),
        ("job.state.cleanup", 32, 8, 20),
        ("job.event.clean", 64, None, 20),
        ("job.state.inactive", 64, 32, 20),
    ]


async def test_only_subscribers_are_told_of_events(
    cluster: Cluster, tmp_path: pathlib.Path
) -> None:
    await load(cluster, tmp_path, TRACE)
    await load(cluster, tmp_path, TRACE.replace("job_subscribe", "job_unsubscribe"), "other.py")
    id = await cluster.submit()
    await cluster.until_event(id, "clean")
    other: Any = plugin_of(cluster, "other.py")
    topics = {topic for topic, _ in other.trace}
    assert "job.state.run" in topics
    assert not {topic for topic in topics if topic.startswith("job.event.")}
    assert "job.event.start" in dict(trace_of(cluster))


async def test_jobs_are_introduced_to_a_plugin_that_is_loaded_later(
    cluster: Cluster, tmp_path: pathlib.Path
) -> None:
    held = await cluster.submit(urgency=0)
    await load(cluster, tmp_path, TRACE)
    assert [(topic, args["id"], args["state"]) for topic, args in trace_of(cluster)] == [
        ("job.new", held, 8)
    ]
    await cluster.manager.until(lambda: len(trace_of(cluster)) == 1)
    assert logged(cluster) == []


async def test_a_job_that_ends_while_a_plugin_is_loaded_is_not_introduced(
    cluster: Cluster, tmp_path: pathlib.Path
) -> None:
    ids = [await cluster.submit(urgency=0) for _ in range(3)]
    text = (
        TRACE
        + """
    for job in plugin.jobs():
        if topic == "job.new" and job["id"] != args["id"]:
            plugin.raise_exception(job["id"], "rival", 0)
"""
    )
    await load(cluster, tmp_path, text)
    assert [args["id"] for topic, args in trace_of(cluster) if topic == "job.new"] == ids[:1]
    assert list(cluster.manager.service.core.machine.jobs) == ids[:1]


async def test_priority_get_is_called_for_pending_jobs_that_are_not_held(
    cluster: Cluster, tmp_path: pathlib.Path
) -> None:
    cluster.manager.service.core.machine.sched_lost()
    held, waiting = await cluster.submit(urgency=0), await cluster.submit()
    await load(cluster, tmp_path, TRACE)
    await cluster.manager.until(lambda: len(trace_of(cluster)) == 3)
    assert [(topic, args["id"]) for topic, args in trace_of(cluster)] == [
        ("job.new", held),
        ("job.new", waiting),
        ("job.priority.get", waiting),
    ]
    assert set(trace_of(cluster)[-1][1]) == FACTS


async def test_what_is_posted_in_job_new_comes_after_the_submission(
    cluster: Cluster, tmp_path: pathlib.Path
) -> None:
    await load(
        cluster,
        tmp_path,
        """
        def flux_plugin_init(plugin):
            plugin.add_handler("job.new", new)

        def new(plugin, topic, args):
            plugin.event_post(args["id"], "hello", {"state": args["state"]})
            plugin.dependency_add(args["id"], "mine")
            args.out["annotations"] = {"user": {"seen": True}}
            plugin.raise_exception(args["id"], "note", 5, "careful")
        """,
    )
    id = await cluster.submit()
    assert cluster.names(id) == ["submit", "hello", "exception", "dependency-add"]
    job = cluster.manager.service.core.machine.jobs[id]
    assert job.state == 2
    assert job.dependencies == {"mine"}
    assert job.annotations == {"user": {"seen": True}}
    plugin_of(cluster).dependency_remove(id, "mine")
    await cluster.until_event(id, "clean")


async def test_a_job_that_is_not_stored_is_taken_back(
    cluster: Cluster, tmp_path: pathlib.Path
) -> None:
    def full(_: object) -> None:
        raise OSError(28, "No space left on device")

    await load(cluster, tmp_path, TRACE)
    cluster.manager.rpcs["kvs.commit"] = full
    with pytest.raises(OSError, match="the job cannot be stored"):
        await cluster.submit()
    topics = [topic for topic, _ in trace_of(cluster)]
    assert topics.count("job.new") == topics.count("job.destroy") == 1
    assert topics[-1] == "job.destroy"
    cluster.manager.rpcs["kvs.commit"] = cluster.kvs.commit
    await cluster.submit()
    assert [topic for topic, _ in trace_of(cluster)].count("job.destroy") == 1


async def test_after_a_restart(
    cluster: Cluster, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = str(cluster.manager.ctx.now() + 1e6)
    ids = [
        await cluster.submit(urgency=0),
        await cluster.submit(jobspec(dependencies=[{"scheme": "begin-time", "value": later}])),
    ]
    await cluster.manager.stop()
    (tmp_path / "mine.py").write_text(TRACE)
    fresh: ServiceHarness[JobManagerService] = ServiceHarness(
        JobManagerService, rpcs=cluster.manager.rpcs
    )
    fresh.service.core.plugins.load_builtins()
    fresh.service.core.plugins.load(str(tmp_path / "mine.py"))
    monkeypatch.setattr(fresh.service.core.plugins, "load_builtins", lambda: None)
    cluster.manager = fresh
    await fresh.start()
    trace = [
        (topic, args["id"], args["state"], args.get("prev_state"))
        for topic, args in trace_of(cluster)
    ]
    assert trace == [
        ("job.new", ids[0], 8, None),
        ("job.new", ids[1], 2, None),
        ("job.event.flux-restart", ids[0], 4, None),
        ("job.state.priority", ids[0], 4, 8),
        ("job.event.priority", ids[0], 8, None),
        ("job.state.sched", ids[0], 8, 4),
        ("job.event.flux-restart", ids[1], 2, None),
        ("job.dependency.begin-time", ids[1], 2, None),
    ]


async def test_arguments_that_a_callback_does_not_have(
    cluster: Cluster, tmp_path: pathlib.Path
) -> None:
    id = await cluster.submit(urgency=0)
    args = (await load(cluster, tmp_path, TRACE)).job_lookup(id)
    assert "entry" not in args
    assert args.get("entry", 3) == 3
    assert json.dumps(dict(args))
    for name in ("entry", "prev_state", "R", "dependency", "nosuch", "job", "out"):
        with pytest.raises(KeyError):
            args[name]
    await remove(cluster)
