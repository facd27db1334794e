"""Plugins that raise or answer nonsense: no job slips past a check, and none is left behind."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import pytest

from .cluster import Cluster, jobspec
from .plugged import load, logged, plugin_of, remove

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator

FAILING = """
import asyncio
import sys


class Mute(Exception):
    def __repr__(self):
        raise RuntimeError("no")

    __str__ = __repr__


def flux_plugin_init(plugin):
    plugin.add_handler({topic!r}, fail)
    plugin.add_handler("job.new", lambda p, topic, args: p.job_subscribe(args["id"]))


def fail(plugin, topic, args):
    {body}
"""

RAISES = {
    "an exception": ('raise RuntimeError("oops")', "RuntimeError: oops ("),
    "an OSError": ('raise OSError(13, "not you")', "PermissionError: [Errno 13] not you ("),
    "an exit": ("sys.exit(3)", "SystemExit: 3 ("),
    "a cancellation": ("raise asyncio.CancelledError", "CancelledError:  ("),
    "no end": ("fail(plugin, topic, args)", "RecursionError: maximum recursion depth"),
    "a long text": ('raise RuntimeError("x" * 99999)', "RuntimeError: xxx"),
    "no text": ("raise Mute", "Mute: (no text) ("),
    "-1": ("return -1", "returned -1"),
    "out": ("args.out = None", "args.out is no dictionary any more"),
}
NONSENSE = {
    "False": ("return False", "returned False"),
    "a text": ('return "no"', "returned 'no'"),
    "no text at all": ("return Mute()", "returned a Mute"),
    "a coroutine": ("return asyncio.sleep(0)", "is a coroutine function"),
}
PRIORITIES = {
    "a text": ('args.out["priority"] = "junk"', "a priority is an integer, not 'junk'"),
    "a fraction": ('args.out["priority"] = 7.0', "a priority is an integer, not 7.0"),
    "a truth": ('args.out["priority"] = True', "a priority is an integer, not True"),
    "no text at all": ('args.out["priority"] = Mute()', "an integer, not a Mute"),
    "too low": ('args.out["priority"] = -5', "from 0 to 4294967295, not -5"),
    "too high": ('args.out["priority"] = 1 << 32', "from 0 to 4294967295, not 4294967296"),
}
OTHER_TOPICS = (
    "job.new",
    "job.state.sched",
    "job.state.run",
    "job.state.cleanup",
    "job.state.inactive",
    "job.event.submit",
    "job.event.priority",
    "job.event.start",
    "job.event.clean",
)


def cases(*tables: dict[str, tuple[str, str]]) -> list[Any]:
    """Return the bodies and texts of tables as parameters."""
    return [
        pytest.param(body, text, id=name)
        for table in tables
        for name, (body, text) in table.items()
    ]


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    cluster = Cluster()
    await cluster.start()
    yield cluster
    await cluster.stop()


async def failing(cluster: Cluster, folder: pathlib.Path, topic: str, body: str) -> None:
    await load(cluster, folder, FAILING.format(topic=topic, body=body))


async def runs(cluster: Cluster, spec: dict[str, Any] | None = None) -> int:
    """Submit a job that comes to its end."""
    id = await cluster.submit(spec)
    await cluster.until_event(id, "clean")
    assert "start" in cluster.names(id)
    return id


def nothing_is_left(cluster: Cluster) -> bool:
    machine = cluster.manager.service.core.machine
    return not (machine.jobs or machine.embryos or machine.log)


@pytest.mark.parametrize(("body", "text"), cases(RAISES, NONSENSE))
@pytest.mark.parametrize(
    ("topic", "who", "spec"),
    [
        ("job.validate", "plugin", jobspec()),
        ("*", "plugin", jobspec()),
        (
            "job.dependency.moon",
            "dependency plugin",
            jobspec(dependencies=[{"scheme": "moon", "value": "full"}]),
        ),
    ],
)
async def test_who_cannot_judge_a_job_refuses_it(
    cluster: Cluster,
    tmp_path: pathlib.Path,
    topic: str,
    who: str,
    spec: dict[str, Any],
    body: str,
    text: str,
) -> None:
    await failing(cluster, tmp_path, topic, body)
    with pytest.raises(OSError, match=r".") as failure:
        await cluster.submit(spec)
    assert failure.value.errno == errno.EINVAL
    said = failure.value.strerror or ""
    assert said.startswith(f"rejected by job-manager {who} mine.py: {text}")
    assert text in logged(cluster)[0]
    assert nothing_is_left(cluster)
    await remove(cluster)
    if topic == "job.dependency.moon":
        spec = jobspec()
    await runs(cluster, spec)


@pytest.mark.parametrize(("body", "text"), cases(RAISES))
async def test_who_may_have_had_a_dependency_to_add_ends_the_job(
    cluster: Cluster, tmp_path: pathlib.Path, body: str, text: str
) -> None:
    await failing(cluster, tmp_path, "job.state.depend", body)
    id = await cluster.submit()
    await cluster.until_event(id, "clean")
    assert cluster.names(id) == ["submit", "exception", "clean"]
    context = cluster.eventlog(id)[1]["context"]
    assert (context["type"], context["severity"]) == ("dependency", 0)
    assert context["note"].startswith(f"job.state.depend: mine.py: {text}")
    assert nothing_is_left(cluster)
    await remove(cluster)
    await runs(cluster)


@pytest.mark.parametrize(("body", "text"), cases(RAISES, PRIORITIES))
async def test_a_job_without_a_valid_priority_waits(
    cluster: Cluster, tmp_path: pathlib.Path, body: str, text: str
) -> None:
    await failing(cluster, tmp_path, "job.state.priority", body)
    id = await cluster.submit()
    assert cluster.names(id) == ["submit", "depend", "exception"]
    context = cluster.eventlog(id)[2]["context"]
    assert (context["type"], context["severity"]) == ("job.state.priority", 4)
    assert text in context["note"]
    assert "(job may be stuck in PRIORITY state)" in context["note"]
    assert cluster.manager.service.core.machine.jobs[id].state == 4
    # Nothing else moves it but a priority.
    await cluster.manager.request("job-manager.raise", {"id": id, "type": "x", "severity": 5})
    assert cluster.manager.service.core.machine.jobs[id].state == 4
    await remove(cluster)
    cluster.manager.service.core.plugins.reprioritize_all()
    await cluster.until_event(id, "clean")
    assert "start" in cluster.names(id)


@pytest.mark.parametrize(("body", "text"), cases(RAISES, PRIORITIES))
async def test_a_job_keeps_the_priority_that_it_has(
    cluster: Cluster, tmp_path: pathlib.Path, body: str, text: str
) -> None:
    cluster.manager.service.core.machine.sched_lost()
    id = await cluster.submit()
    await failing(cluster, tmp_path, "job.priority.get", body)
    await cluster.manager.until(lambda: bool(logged(cluster)))
    assert text in logged(cluster)[0]
    assert cluster.names(id) == ["submit", "depend", "priority"]
    assert cluster.manager.service.core.machine.jobs[id].priority == 16


async def test_no_priority_for_a_job_that_has_one(cluster: Cluster, tmp_path: pathlib.Path) -> None:
    cluster.manager.service.core.machine.sched_lost()
    id = await cluster.submit()
    await failing(cluster, tmp_path, "job.priority.get", "plugin.priority_unavail(args)")
    await cluster.manager.until(lambda: bool(logged(cluster)))
    text = "jobtap: job.priority.get: no priority for 1 jobs that have one: they keep it"
    assert logged(cluster) == [text]
    assert cluster.manager.service.core.machine.jobs[id].priority == 16


async def test_the_last_plugin_with_a_priority_counts(
    cluster: Cluster, tmp_path: pathlib.Path
) -> None:
    await failing(cluster, tmp_path, "job.state.priority", "1 / 0")
    text = FAILING.format(topic="job.state.priority", body='args.out["priority"] = 99')
    await load(cluster, tmp_path, text, "later.py")
    id = await runs(cluster)
    assert "exception" not in cluster.names(id)
    assert {"priority": 99} in [entry.get("context") for entry in cluster.eventlog(id)]


@pytest.mark.parametrize(("body", "text"), cases(RAISES))
@pytest.mark.parametrize("topic", OTHER_TOPICS)
async def test_elsewhere_a_failure_is_logged(
    cluster: Cluster, tmp_path: pathlib.Path, topic: str, body: str, text: str
) -> None:
    await failing(cluster, tmp_path, topic, body)
    other = FAILING.format(topic=topic, body='args.out["annotations"] = {"user": {"seen": True}}')
    await load(cluster, tmp_path, other, "later.py")
    await runs(cluster)
    assert logged(cluster)[0].startswith(f"jobtap: mine.py: {topic}: {text}")
    assert len(logged(cluster)) == 1
    assert nothing_is_left(cluster)


@pytest.mark.parametrize("topic", [*OTHER_TOPICS, "job.state.depend", "job.state.priority"])
async def test_refusals_where_nobody_can_be_refused_are_logged(
    cluster: Cluster, tmp_path: pathlib.Path, topic: str
) -> None:
    await failing(cluster, tmp_path, topic, 'plugin.reject_job(args, "too late")')
    id = await cluster.submit()
    text = "jobs are rejected in job.validate, job.dependency.* and job.update.* only: too late"
    await cluster.manager.until(lambda: any(text in line for line in logged(cluster)))
    if topic in OTHER_TOPICS:
        await cluster.until_event(id, "clean")


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ('plugin.raise_exception(id, "", 0)', "the type of an exception is a text"),
        ('plugin.raise_exception(id, "a b", 0)', "the type of an exception is one word"),
        ('plugin.raise_exception(id, "a", 8)', "a severity is an integer from 0 to 7, not 8"),
        ('plugin.raise_exception(id, "a", True)', "a severity is an integer from 0 to 7"),
        ('plugin.raise_exception(id, "a", 0, 5)', "a note is a text"),
        ('plugin.raise_exception(id, "a", 0, "x" * 99999)', "1 to 16384 characters"),
        ('plugin.event_post(id, "a", {"x": print})', "a context is no JSON"),
        ('plugin.event_post(id, "a", [1])', "a context is a dictionary, not [1]"),
        ('plugin.event_post(id, "start")', "start event in state SCHED"),
        ("plugin.event_post(id, None)", "the name of an event is a text"),
        ('plugin.annotate(id, {"x": {1, 2}})', "an annotation is no JSON"),
        ('plugin.annotate(id, "x")', "an annotation is a dictionary"),
        ('plugin.dependency_add(id, "late")', "dependency-add event in state SCHED"),
        ("plugin.dependency_add(id, 5)", "a dependency is a text"),
        ('plugin.dependency_add(id, "\\udc80\\ud800")', "a dependency is no text in UTF-8"),
        ("plugin.reprioritize_job(id, -1)", "from 0 to 4294967295, not -1"),
        ('plugin.reprioritize_job(id, "1")', "a priority is an integer"),
        ("plugin.add_handler(None, print)", "the topic of a handler is a text"),
        ('plugin.add_handler("job.new", 5)', "the handler for job.new cannot be called"),
        ('plugin.dependency_remove(id, "x")', "no dependency x"),
        ("plugin.job_lookup(1)", "unknown job id"),
    ],
)
async def test_wrong_arguments_are_refused(
    cluster: Cluster, tmp_path: pathlib.Path, call: str, text: str
) -> None:
    id = await cluster.submit(urgency=0)
    before = cluster.names(id)
    plugin = await load(cluster, tmp_path, "def flux_plugin_init(plugin): pass")
    with pytest.raises(OSError, match=r".") as failure:
        eval(call, {"plugin": plugin, "id": id})
    assert failure.value.errno in (errno.EINVAL, errno.ENOENT)
    assert text in (failure.value.strerror or "")
    assert cluster.names(id) == before
    assert nothing_is_left(cluster) is False


@pytest.mark.parametrize(
    "body",
    [
        'plugin.raise_exception(args["id"], "x", 0)',
        'plugin.event_post(args["id"], "x")',
        'plugin.reprioritize_job(args["id"], 5)',
        'plugin.dependency_remove(args["id"], "x")',
    ],
)
async def test_nothing_happens_to_a_job_that_may_still_be_refused(
    cluster: Cluster, tmp_path: pathlib.Path, body: str
) -> None:
    await failing(cluster, tmp_path, "job.validate", body)
    with pytest.raises(OSError, match="the job is not accepted yet"):
        await cluster.submit()
    assert nothing_is_left(cluster)


async def test_annotations_that_are_none(cluster: Cluster, tmp_path: pathlib.Path) -> None:
    bad = 'args.out["annotations"] = args["id"] and [1]'
    await failing(cluster, tmp_path, "job.state.sched", bad)
    await runs(cluster)
    assert logged(cluster) == [
        "jobtap: mine.py: job.state.sched: an annotation is a dictionary, not [1]"
    ]


async def test_what_a_refused_job_was_annotated_with_is_told_to_nobody(
    cluster: Cluster, tmp_path: pathlib.Path
) -> None:
    body = 'args.out["annotations"] = {"user": {"a": 1}}'
    await failing(cluster, tmp_path, "job.validate", body)
    with pytest.raises(OSError, match="not supported"):
        await cluster.submit(jobspec(dependencies=[{"scheme": "moon", "value": "x"}]))
    assert not cluster.manager.service.core.machine.decisions
    id = await cluster.submit(urgency=0)
    assert cluster.manager.service.core.machine.jobs[id].annotations == {"user": {"a": 1}}


async def test_held_jobs_stay_held_whatever_a_plugin_says(
    cluster: Cluster, tmp_path: pathlib.Path
) -> None:
    plugin = await load(cluster, tmp_path, "def flux_plugin_init(plugin): pass")
    held = await cluster.submit(urgency=0)
    plugin.reprioritize_job(held, 100)
    plugin.reprioritize_all()
    assert cluster.manager.service.core.machine.jobs[held].priority == 0
    assert cluster.names(held) == ["submit", "depend", "priority"]


async def test_many_failures_are_not_all_logged(cluster: Cluster, tmp_path: pathlib.Path) -> None:
    await failing(cluster, tmp_path, "job.validate", "1 / 0")
    for _ in range(50):
        with pytest.raises(OSError, match="ZeroDivisionError"):
            await cluster.submit()
    assert len(logged(cluster)) == 20
    assert plugin_of(cluster).file_name == "mine.py"


async def test_all_pending_jobs_are_asked_about_some_at_a_time(
    cluster: Cluster, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("broker.jobtap.host.AT_A_TIME", 7)
    cluster.manager.service.core.machine.sched_lost()
    ids = [await cluster.submit() for _ in range(30)]
    text = FAILING.format(topic="job.priority.get", body='args.out["priority"] = 5')
    await load(cluster, tmp_path, text)
    machine = cluster.manager.service.core.machine
    await cluster.manager.until(lambda: all(machine.jobs[id].priority == 5 for id in ids))
    text = FAILING.format(topic="job.priority.get", body='args.out["priority"] = 6')
    await load(cluster, tmp_path, text, "later.py")
    plugin_of(cluster).reprioritize_all()
    plugin_of(cluster).reprioritize_all()
    await cluster.manager.until(lambda: all(machine.jobs[id].priority == 6 for id in ids))
    await cluster.manager.until(lambda: cluster.names(ids[0]).count("priority") == 3)
