"""Dependencies on jobs that have ended, chains of any length, singletons, and plugins of schemes
that come and go.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import pytest

from broker.services.job_manager.service import JobManagerService
from broker.testing.harness import ServiceHarness
from flux.job.JobID import id_encode

from .cluster import Cluster, jobspec, runs_well, submission
from .plugged import load, logged, plugin_of, remove

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator

KINDS = {
    "after": "after-start",
    "afterstart": "after-start",
    "afterany": "after-finish",
    "afterok": "after-success",
    "afternotok": "after-failure",
}


def depends(scheme: str, value: object, name: str = "") -> dict[str, Any]:
    more: dict[str, Any] = {"job": {"name": name}} if name else {}
    return jobspec(dependencies=[{"scheme": scheme, "value": value}], **more)


def fails(payload: dict[str, Any]) -> list[dict[str, Any]]:
    answers = runs_well(payload)
    answers[1]["data"]["status"] = 256
    return answers


def named(name: str, *, alone: bool = False) -> dict[str, Any]:
    return depends("singleton", "", name) if alone else jobspec(job={"name": name})


class Scripted(Cluster):
    """A cluster whose jobs do well until they are told to fail."""

    def __init__(self) -> None:
        self.well = True
        super().__init__(lambda payload: (runs_well if self.well else fails)(payload))

    async def ended(self, how: str) -> int:
        """Return a job that ended well, failed, or was canceled before it began."""
        self.well = how == "ok"
        id = await self.submit(urgency=0 if how == "canceled" else 16)
        if how == "canceled":
            await self.cancel(id)
        await self.until_event(id, "clean")
        self.well = True
        return id

    async def cancel(self, id: int) -> None:
        await self.manager.request("job-manager.raise", {"id": id, "type": "cancel", "severity": 0})

    async def restart(self) -> None:
        """End the job manager, and start another over what it left."""
        await self.manager.stop()
        self.manager = ServiceHarness(JobManagerService, rpcs=self.manager.rpcs)
        await self.manager.start()
        for topic in ("job-manager.submit", "job-manager.getinfo"):
            self.ingest.rpcs[topic] = self._forward(self.manager, topic)

    def state(self, id: int) -> int:
        """Return the state of an active job."""
        return self.manager.service.core.machine.jobs[id].state

    def dependencies(self, id: int) -> frozenset[str]:
        """Return what an active job waits for."""
        return self.manager.service.core.machine.jobs[id].dependencies


@pytest.fixture
async def cluster() -> AsyncIterator[Scripted]:
    cluster = Scripted()
    await cluster.start()
    yield cluster
    await cluster.stop()


ENDED = [
    ("after", "ok", ""),
    ("after", "failed", ""),
    ("after", "canceled", "dependency: after: {} never started"),
    ("afterstart", "canceled", "dependency: afterstart: {} never started"),
    ("afterany", "ok", ""),
    ("afterany", "failed", ""),
    ("afterany", "canceled", ""),
    ("afterok", "ok", ""),
    ("afterok", "failed", "dependency: afterok: job {} failed or was canceled"),
    ("afterok", "canceled", "dependency: afterok: {} never started"),
    ("afternotok", "ok", "dependency: afternotok: job {} succeeded"),
    ("afternotok", "failed", ""),
    ("afternotok", "canceled", ""),
]


@pytest.mark.parametrize("known", ["just now", "long ago", "before a restart"])
@pytest.mark.parametrize(("scheme", "how", "refusal"), ENDED)
async def test_a_job_that_has_ended(
    cluster: Scripted, scheme: str, how: str, refusal: str, known: str
) -> None:
    first = await cluster.ended(how)
    if known == "long ago":
        cluster.manager.service.core.ended.drop([first])
    if known == "before a restart":
        await cluster.restart()
    if refusal:
        with pytest.raises(OSError, match=r".") as failure:
            await cluster.submit(depends(scheme, str(first)))
        text = refusal.format(id_encode(first, "f58"))
        assert (failure.value.errno, failure.value.strerror) == (errno.EINVAL, text)
    else:
        second = await cluster.submit(depends(scheme, str(first)))
        assert "depend" in cluster.names(second)
        assert "exception" not in cluster.names(second)


async def test_as_many_ended_jobs_are_remembered_as_is_useful(
    cluster: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("broker.services.job_manager.ended.KEPT", 3)
    ids = [await cluster.ended("ok") for _ in range(5)]
    ended = cluster.manager.service.core.ended
    assert [id for id in ids if ended.get(id) is not None] == ids[2:]
    many = [{"scheme": "afterok", "value": str(id)} for id in ids]
    assert "depend" in cluster.names(await cluster.submit(jobspec(dependencies=many), urgency=0))
    await cluster.submit(depends("afterok", str(ids[0])), urgency=0)
    assert ended.get(ids[0]) is not None
    await cluster.manager.request("job-manager.purge-id", {"id": ids[0], "force": True})
    assert ended.get(ids[0]) is None


async def test_ended_jobs_of_others_and_jobs_that_never_were(cluster: Scripted) -> None:
    first = await cluster.ended("ok")
    with pytest.raises(OSError, match="Permission denied"):
        await cluster.submit(depends("afterok", str(first)), userid=1000)
    with pytest.raises(OSError, match="id 12345: job not found"):
        await cluster.submit(depends("afterok", "12345"))
    cluster.manager.service.core.ended.drop([first])
    cluster.kvs.values.clear()
    with pytest.raises(OSError, match="job not found"):
        await cluster.submit(depends("afterok", str(first)))


async def test_one_submission_that_waits_for_the_store_does_not_fail_others(
    cluster: Scripted,
) -> None:
    first = await cluster.ended("ok")
    cluster.manager.service.core.ended.drop([first])
    specs = [jobspec(), depends("afterok", str(first)), depends("afterok", "77")]
    items = [submission(n, spec) for n, spec in enumerate(specs, 1 << 60)]
    answer = await cluster.manager.request("job-manager.submit", {"jobs": [{"id": 5}, *items]})
    assert sorted(id for id, *_ in answer["errors"]) == [5, (1 << 60) + 2]
    assert {1 << 60, (1 << 60) + 1} <= cluster.manager.service.core.machine.jobs.keys()


@pytest.mark.parametrize("scheme", ["afterok", "afternotok"])
async def test_the_job_depended_on_ended_when_nobody_could_write_it_down(
    cluster: Scripted, scheme: str
) -> None:
    """The store has the end of one job, and not what follows from it for another."""
    first = await cluster.submit(urgency=0)
    second = await cluster.submit(depends(scheme, str(first)), urgency=0)
    await cluster.cancel(first)
    await cluster.until_event(first, "clean")
    key = next(k for k in cluster.kvs.values if k.endswith("eventlog") and second_in(k, second))
    lines = cluster.kvs.values[key].splitlines(keepends=True)
    cluster.kvs.values[key] = b"".join(lines[:2])  # submit, dependency-add
    await cluster.manager.stop()
    cluster.kvs.values.pop("job-manager.active", None)
    for name in [k for k in cluster.kvs.values if not k.startswith("job.")]:
        del cluster.kvs.values[name]
    manager = cluster.manager
    cluster.manager = ServiceHarness(JobManagerService, rpcs=manager.rpcs)
    await cluster.manager.start()
    if scheme == "afterok":
        await cluster.until_event(second, "clean")
        context = next(e for e in cluster.eventlog(second) if e["name"] == "exception")["context"]
        assert context["note"].endswith("never started")
    else:
        await cluster.until_event(second, "priority")
        assert "dependency-remove" in cluster.names(second)


def second_in(key: str, id: int) -> bool:
    from flux.job.JobID import kvs_key

    return key == kvs_key(id, "eventlog")


# Chains


async def test_a_chain_of_a_thousand_jobs_ends_with_its_first(cluster: Scripted) -> None:
    ids = [await cluster.submit(urgency=0)]
    for _ in range(1000):
        ids.append(await cluster.submit(depends("afterok", str(ids[-1]))))
    await cluster.cancel(ids[0])
    await cluster.until_event(ids[-1], "clean")
    assert not cluster.manager.service.core.machine.jobs
    assert [cluster.names(id)[2:] for id in ids[1:]] == [["exception", "clean"]] * 1000
    assert logged(cluster) == []


@pytest.mark.parametrize("backwards", [False, True])
async def test_all_jobs_of_a_chain_are_canceled(cluster: Scripted, backwards: bool) -> None:
    ids = [await cluster.submit(urgency=0)]
    for n in range(300):
        scheme = ("afterok", "afterany", "after", "afternotok")[n % 4]
        ids.append(await cluster.submit(depends(scheme, str(ids[-1])), urgency=0))
    machine = cluster.manager.service.core.machine
    if backwards:
        machine.jobs = dict(reversed(machine.jobs.items()))
    answer = await cluster.manager.request(
        "job-manager.raiseall",
        {
            "dry_run": False,
            "userid": 0xFFFFFFFF,
            "states": 62,
            "severity": 0,
            "type": "cancel",
            "note": "",
        },
    )
    assert answer == {"count": 301, "errors": 0}
    await cluster.manager.until(lambda: all("clean" in cluster.names(id) for id in ids))
    assert not machine.jobs
    for id in ids:
        names = cluster.names(id)
        assert names[-1] == "clean"
        assert names.count("clean") == 1


async def test_a_plugin_may_end_job_after_job(cluster: Scripted, tmp_path: pathlib.Path) -> None:
    """Not only dependencies: whatever a plugin does when it is told may be told to it in turn."""
    await load(
        cluster,
        tmp_path,
        """
        def flux_plugin_init(plugin):
            plugin.add_handler("job.state.cleanup", cleanup)

        def cleanup(plugin, topic, args):
            for job in plugin.jobs():
                if job["state"] < 32:
                    plugin.raise_exception(job["id"], "next", 0)
                    break
        """,
    )
    ids = [await cluster.submit(urgency=0) for _ in range(600)]
    await cluster.cancel(ids[0])
    await cluster.manager.until(lambda: not cluster.manager.service.core.machine.jobs)
    await cluster.manager.until(lambda: all("clean" in cluster.names(id) for id in ids))
    assert logged(cluster) == []


async def test_a_plugin_sees_its_own_events_in_their_order(
    cluster: Scripted, tmp_path: pathlib.Path
) -> None:
    plugin: Any = await load(
        cluster,
        tmp_path,
        """
        seen = []

        def flux_plugin_init(plugin):
            plugin.seen = seen
            plugin.add_handler("job.new", lambda p, topic, args: p.job_subscribe(args["id"]))
            plugin.add_handler("job.event.*", told)

        def told(plugin, topic, args):
            seen.append(topic[10:])
            if topic == "job.event.depend":
                plugin.event_post(args["id"], "first")
                plugin.event_post(args["id"], "second")
            if topic == "job.event.first":
                plugin.event_post(args["id"], "third")
        """,
    )
    id = await cluster.submit()
    await cluster.until_event(id, "clean")
    assert plugin.seen == cluster.names(id)
    order = ["depend", "first", "second", "third", "priority"]
    assert plugin.seen[1 : 1 + len(order)] == order


# Singletons, as in flux-core 0.88


async def test_singletons_go_one_after_the_other(cluster: Scripted) -> None:
    first = await cluster.submit(named("abc"), urgency=0)
    second = await cluster.submit(named("abc", alone=True), urgency=0)
    third = await cluster.submit(named("abc", alone=True), urgency=0)
    other = await cluster.submit(named("xyz", alone=True), urgency=0)
    theirs = await cluster.submit(named("abc", alone=True), urgency=0, userid=1000)
    assert [cluster.dependencies(id) for id in (second, third)] == [{"singleton"}] * 2
    assert [cluster.names(id)[1] for id in (other, theirs)] == ["depend"] * 2
    await cluster.cancel(first)
    assert (cluster.state(second), cluster.state(third)) == (8, 2)
    await cluster.cancel(second)
    await cluster.until_event(third, "dependency-remove")
    assert cluster.state(third) == 8


async def test_a_singleton_waits_for_later_jobs_of_its_name_too(cluster: Scripted) -> None:
    first = await cluster.submit(named("abc"), urgency=0)
    alone = await cluster.submit(named("abc", alone=True), urgency=0)
    later = await cluster.submit(named("abc"), urgency=0)
    await cluster.cancel(first)
    assert cluster.state(alone) == 2
    await cluster.cancel(later)
    assert cluster.state(alone) == 8


async def test_a_singleton_that_is_canceled_while_it_waits(cluster: Scripted) -> None:
    first = await cluster.submit(named("abc"), urgency=0)
    second = await cluster.submit(named("abc", alone=True))
    third = await cluster.submit(named("abc", alone=True), urgency=0)
    await cluster.cancel(second)
    assert cluster.state(third) == 2
    await cluster.cancel(first)
    assert cluster.state(third) == 8


async def test_a_singleton_with_another_dependency_is_the_next_one(cluster: Scripted) -> None:
    first = await cluster.submit(named("abc"), urgency=0)
    gate = await cluster.submit(urgency=0)
    spec = named("abc", alone=True)
    spec["attributes"]["system"]["dependencies"] += [
        {"scheme": "afterany", "value": str(gate)},
        {"scheme": "singleton", "value": ""},
    ]
    second = await cluster.submit(spec, urgency=0)
    third = await cluster.submit(named("abc", alone=True), urgency=0)
    await cluster.cancel(first)
    assert cluster.dependencies(second) == {f"after-finish={id_encode(gate, 'f58')}"}
    assert cluster.dependencies(third) == {"singleton"}


async def test_singletons_need_a_name(cluster: Scripted) -> None:
    for spec in (depends("singleton", ""), depends("singleton", "abc")):
        with pytest.raises(OSError, match=r"\] singleton jobs require a job name$"):
            await cluster.submit(spec)


async def test_a_refused_singleton_keeps_nobody_waiting(cluster: Scripted) -> None:
    first = await cluster.submit(named("abc"), urgency=0)
    spec = named("abc", alone=True)
    spec["attributes"]["system"]["dependencies"].append({"scheme": "moon", "value": ""})
    with pytest.raises(OSError, match="not supported"):
        await cluster.submit(spec)
    await cluster.cancel(first)
    id = await cluster.submit(named("abc", alone=True), urgency=0)
    assert cluster.state(id) == 8


async def test_singletons_after_a_restart(cluster: Scripted) -> None:
    first = await cluster.submit(named("abc"), urgency=0)
    second = await cluster.submit(named("abc", alone=True), urgency=0)
    third = await cluster.submit(named("abc", alone=True), urgency=0)
    await cluster.restart()
    assert (cluster.state(second), cluster.state(third)) == (2, 2)
    await cluster.cancel(first)
    assert (cluster.state(second), cluster.state(third)) == (8, 2)
    await cluster.restart()
    assert (cluster.state(second), cluster.state(third)) == (8, 2)
    await cluster.cancel(second)
    await cluster.until_event(third, "dependency-remove")


async def test_singletons_whose_plugin_was_away(cluster: Scripted) -> None:
    first = await cluster.submit(named("abc"), urgency=0)
    second = await cluster.submit(named("abc", alone=True), urgency=0)
    await remove(cluster, ".dependency-after")
    await cluster.cancel(first)
    assert cluster.state(second) == 2
    await cluster.manager.request("job-manager.jobtap", {"load": ".dependency-after"})
    await cluster.until_event(second, "dependency-remove")


# Plugins of schemes

MOON = """
import errno

waiting = []


def flux_plugin_init(plugin):
    plugin.waiting = waiting
    plugin.add_handler("job.dependency.moon", ask)
    plugin.service_register("rise", rise)


def ask(plugin, topic, args):
    value = args["dependency"]["value"]
    if value == "never":
        plugin.reject_job(args, "the moon is never " + value)
    if value == "broken":
        raise RuntimeError("no telescope")
    try:
        plugin.dependency_add(args["id"], "moon=" + value)
    except OSError as exc:
        if exc.errno != errno.EEXIST:
            raise
    waiting.append(args["id"])


def rise(request):
    plugin = request.payload
"""


async def test_a_scheme_whose_plugin_is_loaded_again(
    cluster: Scripted, tmp_path: pathlib.Path
) -> None:
    await load(cluster, tmp_path, MOON, "moon.py")
    id = await cluster.submit(depends("moon", "full"))
    plain = await cluster.submit(urgency=0)
    await remove(cluster, "moon.py")
    assert cluster.dependencies(id) == {"moon=full"}
    plugin: Any = await load(cluster, tmp_path, MOON, "moon.py")
    assert plugin.waiting == [id]
    assert plain not in plugin.waiting
    plugin.dependency_remove(id, "moon=full")
    await cluster.until_event(id, "clean")
    assert cluster.names(id).count("dependency-add") == 1


async def test_a_scheme_whose_plugin_is_not_there_after_a_restart(
    cluster: Scripted, tmp_path: pathlib.Path
) -> None:
    await load(cluster, tmp_path, MOON, "moon.py")
    id = await cluster.submit(depends("moon", "full"), urgency=0)
    await cluster.restart()
    assert cluster.state(id) == 2
    assert cluster.dependencies(id) == {"moon=full"}
    plugin: Any = await load(cluster, tmp_path, MOON, "moon.py")
    assert plugin.waiting == [id]
    plugin.dependency_remove(id, "moon=full")
    assert cluster.state(id) == 8


@pytest.mark.parametrize(("value", "ends"), [("never", True), ("broken", False)])
async def test_a_scheme_whose_new_plugin_refuses_or_fails(
    cluster: Scripted, tmp_path: pathlib.Path, value: str, ends: bool
) -> None:
    first = MOON.replace("if value ==", 'if "" == value +')
    await load(cluster, tmp_path, first, "moon.py")
    id = await cluster.submit(depends("moon", value))
    await remove(cluster, "moon.py")
    await load(cluster, tmp_path, MOON, "moon.py")
    if ends:
        await cluster.until_event(id, "clean")
        contexts = [e["context"] for e in cluster.eventlog(id) if e["name"] == "exception"]
        assert [(c["type"], c["note"]) for c in contexts] == [
            ("dependency", "the moon is never never")
        ]
    else:
        assert cluster.dependencies(id) == {"moon=broken"}
        assert "no telescope" in logged(cluster)[0]


async def test_a_dependency_may_be_added_once_only(
    cluster: Scripted, tmp_path: pathlib.Path
) -> None:
    text = """
    def flux_plugin_init(plugin):
        plugin.add_handler("job.state.depend", add)

    def add(plugin, topic, args):
        plugin.dependency_add(args["id"], "mine")
        plugin.dependency_remove(args["id"], "mine")
        try:
            plugin.dependency_add(args["id"], "mine")
        except FileExistsError:
            plugin.dependency_add(args["id"], "other")
    """
    await load(cluster, tmp_path, text)
    id = await cluster.submit()
    assert cluster.names(id) == ["submit", "dependency-add", "dependency-remove", "dependency-add"]
    plugin_of(cluster).dependency_remove(id, "other")
    await cluster.until_event(id, "clean")


@pytest.mark.parametrize("topic", ["job.event.submit", "job.state.depend", "job.new"])
async def test_a_job_does_not_move_on_before_its_dependencies_are_there(
    cluster: Scripted, tmp_path: pathlib.Path, topic: str
) -> None:
    """Though a plugin posts an event, after which jobs go as far as they can."""
    text = f"""
    def flux_plugin_init(plugin):
        plugin.add_handler("job.new", lambda p, topic, args: p.job_subscribe(args["id"]))
        plugin.add_handler({topic!r}, lambda p, topic, args: p.event_post(args["id"], "memo"))
    """
    await load(cluster, tmp_path, text)
    first = await cluster.submit(urgency=0)
    second = await cluster.submit(depends("afterok", str(first)))
    assert cluster.state(second) == 2
    assert cluster.names(second) == ["submit", "memo", "dependency-add"]


async def test_dependencies_of_the_jobspec_are_there_for_other_plugins(
    cluster: Scripted, tmp_path: pathlib.Path
) -> None:
    first = await cluster.submit(urgency=0)
    description = f"after-success={id_encode(first, 'f58')}"
    text = f"""
    def flux_plugin_init(plugin):
        plugin.add_handler("job.new", add)
        plugin.add_handler("job.state.depend", add)

    def add(plugin, topic, args):
        for description in ({description!r}, "mine") if args["state"] < 4 else ():
            try:
                plugin.dependency_add(args["id"], description)
            except FileExistsError:
                plugin.get_flux().log(3, topic + " " + description)
    """
    await load(cluster, tmp_path, text)
    second = await cluster.submit(depends("afterok", str(first)))
    assert cluster.names(second) == ["submit", "dependency-add", "dependency-add"]
    assert cluster.dependencies(second) == {description, "mine"}
    assert [line.removeprefix("mine.py: ") for line in logged(cluster)] == [
        f"job.new {description}",
        f"job.state.depend {description}",
        "job.state.depend mine",
    ]


async def test_times_of_jobs_that_wait_no_more_are_forgotten(cluster: Scripted) -> None:
    later = str(cluster.manager.ctx.now() + 1e6)
    spec = depends("begin-time", later)
    spec["attributes"]["system"]["dependencies"] += [{"scheme": "moon", "value": ""}]
    handle = plugin_of(cluster, ".begin-time").get_flux()
    with pytest.raises(OSError, match="not supported"):
        await cluster.submit(spec)
    assert not handle.counts()["timers"]
    id = await cluster.submit(depends("begin-time", later))
    assert handle.counts()["timers"] == 1
    await cluster.cancel(id)
    assert not handle.counts()["timers"]
