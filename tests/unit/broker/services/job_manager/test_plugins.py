"""Dependencies, begin times and plugins loaded from files, through the job manager."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import pytest

from broker.testing.harness import ServiceHarness
from flux.job.JobID import id_encode

from .cluster import Cluster, jobspec, runs_well

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator


def depends(scheme: str, value: Any) -> dict[str, Any]:
    return jobspec(dependencies=[{"scheme": scheme, "value": value}])


def fails(payload: dict[str, Any]) -> list[dict[str, Any]]:
    answers = runs_well(payload)
    answers[1]["data"]["status"] = 256
    return answers


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    cluster = Cluster()
    await cluster.start()
    yield cluster
    await cluster.stop()


@pytest.mark.parametrize(
    ("scheme", "kind", "ok", "satisfied"),
    [
        ("after", "after-start", True, True),
        ("afterany", "after-finish", False, True),
        ("afterok", "after-success", True, True),
        ("afterok", "after-success", False, False),
        ("afternotok", "after-failure", False, True),
        ("afternotok", "after-failure", True, False),
    ],
)
async def test_after(scheme: str, kind: str, ok: bool, satisfied: bool) -> None:
    outcome = [runs_well if ok else fails]
    cluster = Cluster(lambda payload: outcome[0](payload))
    await cluster.start()
    first = await cluster.submit(urgency=0)
    second = await cluster.submit(depends(scheme, id_encode(first, "f58")))
    await cluster.until_event(second, "dependency-add")
    await cluster.manager.request("job-manager.urgency", {"id": first, "urgency": 16})
    await cluster.until_event(second, "clean")
    description = f"{kind}={id_encode(first, 'f58')}"
    log = {entry["name"]: entry.get("context") for entry in cluster.eventlog(second)}
    assert log["dependency-add"] == {"description": description}
    if satisfied:
        assert log["dependency-remove"] == {"description": description}
        assert "start" in log
    else:
        note = f"dependency {description} can never be satisfied"
        assert log["exception"] == {"type": "dependency", "severity": 0, "userid": -1, "note": note}
        assert cluster.names(second) == ["submit", "dependency-add", "exception", "clean"]
    await cluster.stop()


async def test_after_a_job_that_never_starts(cluster: Cluster) -> None:
    first = await cluster.submit(urgency=0)
    second = await cluster.submit(depends("after", str(first)))
    await cluster.manager.request(
        "job-manager.raise", {"id": first, "type": "cancel", "severity": 0}
    )
    await cluster.until_event(second, "clean")
    assert "exception" in cluster.names(second)


async def test_after_a_job_that_runs() -> None:
    cluster = Cluster(lambda _: ServiceHarness.OPEN)
    await cluster.start()
    first = await cluster.submit()
    await cluster.manager.until(
        lambda: any(m.topic == "job-exec.start" for m in cluster.manager.sent)
    )
    message = next(m for m in cluster.manager.sent if m.topic == "job-exec.start")
    cluster.manager.answer(message, {"id": first, "type": "start", "data": {}})
    await cluster.until_event(first, "start")
    second = await cluster.submit(depends("after", str(first)))
    await cluster.until_event(second, "alloc")
    assert cluster.names(second)[:4] == ["submit", "depend", "priority", "alloc"]
    assert "finish" not in cluster.names(first)
    await cluster.stop()


@pytest.mark.parametrize(
    ("scheme", "value", "text"),
    [
        ("nosuch", "1", 'dependency scheme "nosuch" not supported'),
        ("afterok", "1234", "dependency: afterok: id 1234: job not found"),
        ("afterok", "xyz", 'dependency: afterok: "xyz" is not a valid jobid'),
        ("afternotok", "", 'dependency: afternotok: "" is not a valid jobid'),
        ("afterany", 5, 'dependency: afterany: "5" is not a valid jobid'),
        ("begin-time", "x", 'dependency: begin-time: "x" is not a valid timestamp'),
        ("begin-time", "nan", 'dependency: begin-time: "nan" is not a valid timestamp'),
    ],
)
async def test_dependencies_that_cannot_be(
    cluster: Cluster, scheme: str, value: Any, text: str
) -> None:
    with pytest.raises(OSError, match=r".") as failure:
        await cluster.submit(depends(scheme, value))
    assert (failure.value.errno, failure.value.strerror) == (errno.EINVAL, text)
    assert not cluster.manager.service.core.machine.jobs


@pytest.mark.parametrize("dependencies", [{"a": 1}, ["x"], [{"value": "1"}]])
async def test_malformed_dependencies(cluster: Cluster, dependencies: Any) -> None:
    with pytest.raises(OSError, match="dependenc"):
        await cluster.submit(jobspec(dependencies=dependencies))


async def test_jobs_of_other_users_cannot_be_depended_on(cluster: Cluster) -> None:
    owners = await cluster.submit(urgency=0)
    with pytest.raises(OSError, match="Permission denied"):
        await cluster.submit(depends("afterok", str(owners)), userid=1000)


async def test_begin_time(cluster: Cluster) -> None:
    now = cluster.manager.ctx.now()
    id = await cluster.submit(depends("begin-time", str(now + 0.2)))
    late = await cluster.submit(depends("begin-time", f"{now + 1e6}"))
    added = await cluster.until_event(id, "dependency-add")
    assert added["context"] == {"description": f"begin-time={now + 0.2:.3f}"}
    removed = await cluster.until_event(id, "dependency-remove")
    assert removed["timestamp"] >= now + 0.2
    await cluster.until_event(id, "clean")
    assert cluster.names(late) == ["submit", "dependency-add"]


PLUGIN = """
log = []


def validate(plugin, topic, args):
    if args["jobspec"]["tasks"][0]["command"] == ["forbidden"]:
        plugin.reject_job(args, f"limit is {plugin.conf['limit']}")


def priority(plugin, topic, args):
    command = args["jobspec"]["tasks"][0]["command"]
    if command == ["later"] and not plugin.job_aux_get(args["id"], "ready"):
        plugin.priority_unavail(args)
        plugin.job_aux_set(args["id"], "ready", True)
    args.out["priority"] = args["urgency"] * 100
    args.out["annotations"] = {"user": {"by": plugin.name}}


def new(plugin, topic, args):
    plugin.job_subscribe(args["id"])


def event(plugin, topic, args):
    log.append(topic)
    if topic == "job.event.start":
        plugin.event_post(args["id"], "memo", {"seen": True})


def broken(plugin, topic, args):
    raise RuntimeError("oops")


def answer(request):
    return {"log": log}


def flux_plugin_init(plugin):
    plugin.set_name("sample")
    plugin.add_handler("job.validate", validate)
    plugin.add_handler("job.new", new)
    plugin.add_handler("job.state.priority", priority)
    plugin.add_handler("job.priority.get", priority)
    plugin.add_handler("job.event.*", event)
    plugin.add_handler("job.state.cleanup", broken)
    plugin.service_register("query", answer)
"""


@pytest.fixture
async def with_plugin(cluster: Cluster, tmp_path: pathlib.Path) -> Cluster:
    file = tmp_path / "sample.py"
    file.write_text(PLUGIN)
    await cluster.manager.request("job-manager.jobtap", {"load": str(file), "conf": {"limit": 3}})
    return cluster


async def test_plugin_from_a_file(with_plugin: Cluster) -> None:
    cluster = with_plugin
    id = await cluster.submit()
    await cluster.until_event(id, "clean")
    contexts = {entry["name"]: entry.get("context", {}) for entry in cluster.eventlog(id)}
    assert contexts["priority"] == {"priority": 1600}
    assert contexts["memo"] == {"seen": True}
    assert contexts["alloc"]["annotations"]["user"] == {"by": "sample"}
    answer = await cluster.manager.request("job-manager.sample.query", userid=1000)
    assert {"job.event.depend", "job.event.alloc", "job.event.start", "job.event.clean"} <= set(
        answer["log"]
    )
    logged = [entry.text for entry in cluster.manager.logs]
    assert any("job.state.cleanup: RuntimeError: oops (" in text for text in logged)
    assert (
        "sample.py"
        in (await cluster.manager.request("job-manager.jobtap", {"query_only": True}))["plugins"]
    )
    with pytest.raises(OSError, match="limit is 3"):
        await cluster.submit(jobspec("forbidden"))


async def test_priority_that_is_not_available_at_once(with_plugin: Cluster) -> None:
    cluster = with_plugin
    id = await cluster.submit(jobspec("later"))
    assert cluster.manager.service.core.machine.jobs[id].state == 4
    cluster.manager.service.core.plugins.reprioritize_all()
    await cluster.until_event(id, "clean")


async def test_removing_plugins(with_plugin: Cluster) -> None:
    cluster = with_plugin
    await cluster.manager.request("job-manager.jobtap", {"remove": "sam*"})
    await cluster.manager.request("job-manager.jobtap", {"remove": "all"})
    await cluster.manager.request("job-manager.jobtap", {"remove": ".*"})
    assert cluster.manager.service.core.plugins.names() == []


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("x = 1\n", "flux_plugin_init is not defined"),
        ("1/0\n", "division by zero"),
        ("def flux_plugin_init(p):\n    1/0\n", "division"),
    ],
)
async def test_plugins_that_cannot_be_loaded(
    cluster: Cluster, tmp_path: pathlib.Path, text: str, error: str
) -> None:
    file = tmp_path / "bad.py"
    file.write_text(text)
    with pytest.raises(OSError, match=error):
        await cluster.manager.request("job-manager.jobtap", {"load": str(file)})
    assert "bad.py" not in cluster.manager.service.core.plugins.names()
